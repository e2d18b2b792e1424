"""Ways of clustering, one file each; `txpusher.plugging` picks one by its URL."""
