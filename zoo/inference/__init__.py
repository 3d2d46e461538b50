"""Models run outside of Keras: exported files, their runtimes, and which of these is fastest."""
