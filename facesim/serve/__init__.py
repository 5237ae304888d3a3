"""The page and the API: `facesim serve` answers browsers and programs over HTTP, on this machine alone by default."""
