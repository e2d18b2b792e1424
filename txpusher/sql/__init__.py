"""Apps in a table of an SQL database: what the stores of `txpusher.apps` share, whichever database it is."""
