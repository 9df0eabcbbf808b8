//! The demo's made scene, served by the simulator and watched without models: motion finds what the
//! scene's exact truth says.
