"""The demo's images: portraits drawn from a seed, as a camera or a generator would deliver them."""
