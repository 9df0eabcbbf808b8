//! Camera simulator, made scenes, load runs, accuracy runs and their reports.
