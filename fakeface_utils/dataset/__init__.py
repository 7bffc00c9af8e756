"""Where images come from (demo, kaggle, folder), their one prepared form, and batches of it."""
