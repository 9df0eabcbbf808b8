//! Names of all metrics, in one place so that none stands twice (OpenMetrics: base units, `_total`).

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

pub const CAMERA_ONLINE: &str = "pingan_camera_online";
pub const CAMERA_RECONNECTS: &str = "pingan_camera_reconnects_total";
pub const INGEST_UNITS: &str = "pingan_ingest_units_total";
pub const INGEST_BYTES: &str = "pingan_ingest_bytes_total";
pub const INGEST_PACKETS_LOST: &str = "pingan_ingest_packets_lost_total";
pub const INGEST_MALFORMED: &str = "pingan_ingest_malformed_total";
pub const QUEUE_DEPTH: &str = "pingan_queue_depth";
pub const QUEUE_BYTES: &str = "pingan_queue_bytes";
pub const QUEUE_DROPPED: &str = "pingan_queue_dropped_total";
pub const RECORDER_UNITS: &str = "pingan_recorder_units_total";
pub const RECORDER_BYTES: &str = "pingan_recorder_bytes_total";
pub const RECORDER_SEGMENTS: &str = "pingan_recorder_segments_total";
pub const RECORDER_GAPS: &str = "pingan_recorder_gaps_total";
pub const RECORDER_ERRORS: &str = "pingan_recorder_write_errors_total";
pub const ARCHIVE_BYTES: &str = "pingan_archive_bytes";
pub const ARCHIVE_SEGMENTS_DELETED: &str = "pingan_archive_segments_deleted_total";
pub const DECODE_FRAMES: &str = "pingan_decode_frames_total";
pub const DECODE_SKIPPED: &str = "pingan_decode_skipped_total";
pub const DECODE_ERRORS: &str = "pingan_decode_errors_total";
pub const INFER_FRAMES: &str = "pingan_infer_frames_total";
pub const INFER_WINDOWS: &str = "pingan_infer_windows_total";
pub const INFER_SECOND_OPINIONS: &str = "pingan_infer_second_opinions_total";
pub const INFER_VERIFIED: &str = "pingan_infer_verified_total";
pub const INFER_SKIPPED: &str = "pingan_infer_skipped_total";
pub const INFER_SECONDS: &str = "pingan_infer_seconds";
pub const CAMERA_WATCH_RATIO: &str = "pingan_camera_watch_ratio";
pub const CAMERA_FRAMES_ANALYSED: &str = "pingan_camera_frames_analysed_total";
pub const WATCH_STRETCH: &str = "pingan_watch_stretch";
pub const WATCH_FOLLOWED: &str = "pingan_watch_followed_cameras";
pub const WATCH_CPU: &str = "pingan_watch_cpu_seconds";
pub const WATCH_LOOKS: &str = "pingan_watch_looks_total";
pub const ALERTS_RAISED: &str = "pingan_alerts_raised_total";
pub const ALERT_LATENCY: &str = "pingan_alert_latency_seconds";
pub const HTTP_REQUESTS: &str = "pingan_http_requests_total";

/// Tell the recorder what each metric is. Call once, after it is installed.
pub fn describe() {
    describe_gauge!(CAMERA_ONLINE, "1 while the camera's stream delivers");
    describe_counter!(CAMERA_RECONNECTS, "Connections begun after the first");
    describe_counter!(INGEST_UNITS, "Access units received");
    describe_counter!(INGEST_BYTES, Unit::Bytes, "Bytes of access units received");
    describe_counter!(INGEST_PACKETS_LOST, "RTP packets that never came");
    describe_counter!(INGEST_MALFORMED, "Access units refused because their NAL lengths do not add up");
    describe_gauge!(QUEUE_DEPTH, "Items waiting in the named queue");
    describe_gauge!(QUEUE_BYTES, Unit::Bytes, "Bytes waiting in the named queue");
    describe_counter!(QUEUE_DROPPED, "Items the named queue refused because it was full");
    describe_counter!(RECORDER_UNITS, "Access units written to the archive");
    describe_counter!(RECORDER_BYTES, Unit::Bytes, "Bytes written to the archive");
    describe_counter!(RECORDER_SEGMENTS, "Segments finished");
    describe_counter!(RECORDER_GAPS, "Gaps entered into the ledger, by cause");
    describe_counter!(RECORDER_ERRORS, "Writes the disk refused");
    describe_gauge!(ARCHIVE_BYTES, Unit::Bytes, "Bytes the archive holds");
    describe_counter!(ARCHIVE_SEGMENTS_DELETED, "Segments deleted by retention");
    describe_counter!(DECODE_FRAMES, "Frames decoded; those of looks at idle cameras stand under no camera");
    describe_counter!(
        DECODE_SKIPPED,
        "Access units of followed cameras left out, by reason: analysis was late, or rates are shrunk"
    );
    describe_counter!(DECODE_ERRORS, "Decoder errors");
    describe_counter!(INFER_FRAMES, "Frames a model looked at");
    describe_counter!(INFER_WINDOWS, "Parts of frames that a model looked at closer, in their own pixels");
    describe_counter!(
        INFER_SECOND_OPINIONS,
        "Runs over frames or parts of them that a model looked at again, because it was not sure of what it saw"
    );
    describe_counter!(INFER_VERIFIED, "Detections that a model's verifier saw, each alone and larger");
    describe_counter!(INFER_SKIPPED, "Frames no model looked at, by reason");
    describe_histogram!(INFER_SECONDS, Unit::Seconds, "Wall time of a model's run over a whole frame");
    describe_gauge!(CAMERA_WATCH_RATIO, "Frames analysed of those the camera's rules need, 0 to 1");
    describe_counter!(CAMERA_FRAMES_ANALYSED, "Frames of the camera that were analysed");
    describe_gauge!(
        WATCH_STRETCH,
        "By how much rates are shrunk, those of looks by a fifth less; 1: not at all"
    );
    describe_gauge!(WATCH_FOLLOWED, "Cameras whose video is decoded because something moves");
    describe_gauge!(WATCH_CPU, Unit::Seconds, "CPU time of watching so far, by stage");
    describe_counter!(WATCH_LOOKS, "Looks at a single keyframe");
    describe_counter!(ALERTS_RAISED, "Alerts raised, by rule kind");
    describe_histogram!(ALERT_LATENCY, Unit::Seconds, "From the frame's arrival to the stored alert");
    describe_counter!(HTTP_REQUESTS, "HTTP requests, by route and status");
}
