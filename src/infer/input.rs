//! A network's input as ONNX Runtime takes it.

use ort::session::SessionInputValue;
use ort::value::{Outlet, TensorElementType, TensorRef};

use super::layout::{Layout, Tensor};

/// The layout that the network declares for its input `name`: of bytes it takes blocks.
pub(super) fn declared(inputs: &[Outlet], name: &str) -> Layout {
    let of = inputs.iter().find(|input| input.name() == name).and_then(|input| input.dtype().tensor_type());
    if of == Some(TensorElementType::Uint8) { Layout::Blocks } else { Layout::Planes }
}

pub(super) fn element(layout: Layout) -> TensorElementType {
    match layout {
        Layout::Planes => TensorElementType::Float32,
        Layout::Blocks => TensorElementType::Uint8,
    }
}

/// For as many inputs of this size as `tensor` holds.
pub(super) fn value<'a>(
    tensor: Tensor<'a>,
    count: usize,
    net: (usize, usize),
) -> Result<SessionInputValue<'a>, String> {
    let value = match tensor {
        Tensor::Planes(values) => {
            TensorRef::from_array_view((Layout::Planes.shape(count, net), values)).map(Into::into)
        }
        Tensor::Blocks(values) => {
            TensorRef::from_array_view((Layout::Blocks.shape(count, net), values)).map(Into::into)
        }
    };
    value.map_err(|e: ort::Error| e.to_string())
}

/// Inputs of one run, one behind the other.
#[derive(Default)]
pub(super) struct Gathered {
    floats: Vec<f32>,
    bytes: Vec<u8>,
}

impl Gathered {
    pub fn clear(&mut self) {
        self.floats.clear();
        self.bytes.clear();
    }

    pub fn push(&mut self, tensor: Tensor<'_>) {
        match tensor {
            Tensor::Planes(values) => self.floats.extend_from_slice(values),
            Tensor::Blocks(values) => self.bytes.extend_from_slice(values),
        }
    }

    /// In lots of inputs that have so many values together; the last may have fewer.
    pub fn lots(&self, layout: Layout, values: usize) -> Vec<Tensor<'_>> {
        match layout {
            Layout::Planes => self.floats.chunks(values).map(Tensor::Planes).collect(),
            Layout::Blocks => self.bytes.chunks(values).map(Tensor::Blocks).collect(),
        }
    }
}
