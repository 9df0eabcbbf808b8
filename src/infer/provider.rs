//! Where ONNX Runtime computes.

use std::fmt;

use ort::ep::{CUDA, ExecutionProvider, ExecutionProviderDispatch, OpenVINO, TensorRT};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An execution provider of ONNX Runtime. All but the first need a library that was built with it,
/// and its hardware.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lowercase")]
pub enum Provider {
    #[default]
    Cpu,
    Cuda,
    TensorRt,
    OpenVino,
}

impl Provider {
    pub const ALL: [Provider; 4] = [Provider::Cpu, Provider::Cuda, Provider::TensorRt, Provider::OpenVino];

    pub fn as_str(self) -> &'static str {
        match self {
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
            Provider::TensorRt => "tensorrt",
            Provider::OpenVino => "openvino",
        }
    }

    /// Whether the ONNX Runtime that was started was built with it; its hardware may still be missing.
    pub(super) fn is_built_in(self) -> bool {
        let built = match self {
            Provider::Cpu => return true,
            Provider::Cuda => CUDA::is_available(),
            Provider::TensorRt => TensorRT::is_available(),
            Provider::OpenVino => OpenVINO::is_available(),
        };
        built.unwrap_or(false)
    }

    /// Whether a session makes ready for the size of its input, which takes many times as long as a run: measured
    /// on CUDA (ADR 9), on OpenVINO 11 to 32 ms where a run takes 3. Of TensorRT it is assumed (it builds an engine
    /// for each size).
    pub(super) fn prepares_for_size(self) -> bool {
        self != Provider::Cpu
    }

    /// To be registered with a session; `None`: the processor needs no registering. ONNX Runtime
    /// would fall back in silence, so failure is asked for.
    pub(super) fn dispatch(self) -> Option<ExecutionProviderDispatch> {
        let provider = match self {
            Provider::Cpu => return None,
            Provider::Cuda => CUDA::default().build(),
            Provider::TensorRt => TensorRT::default().build(),
            // Of itself it has eight threads a session; a worker is one, and its time is what is planned with.
            Provider::OpenVino => OpenVINO::default().with_num_threads(1).build(),
        };
        Some(provider.error_on_failure())
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
