"""Questions that the paper does not ask: a folder each, found by a scan; any may be deleted."""
