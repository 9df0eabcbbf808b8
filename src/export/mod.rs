//! Recordings handed out: playlists and MP4 exports.
