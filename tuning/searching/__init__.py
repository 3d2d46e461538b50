"""Running a search: engines, trials, and the processes that train them."""
