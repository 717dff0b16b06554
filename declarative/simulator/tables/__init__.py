"""What a world keeps: one database, a module for each kind of row, and the transaction that calls work in."""
