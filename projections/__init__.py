"""Events -> tables: each view folds the history into rows that queries read, and can be rebuilt from nothing."""
