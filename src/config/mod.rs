//! Settings of a server run, read from TOML: raw → resolve → settings.
