"""What every room needs and only the standard library gives: files, names, run folders."""
