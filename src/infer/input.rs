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

/// Inputs of one layout, one behind the other.
pub(super) enum Gathered {
    Planes(Vec<f32>),
    Blocks(Vec<u8>),
}

impl Gathered {
    pub fn new(layout: Layout) -> Gathered {
        match layout {
            Layout::Planes => Gathered::Planes(Vec::new()),
            Layout::Blocks => Gathered::Blocks(Vec::new()),
        }
    }

    pub fn clear(&mut self) {
        match self {
            Gathered::Planes(values) => values.clear(),
            Gathered::Blocks(values) => values.clear(),
        }
    }

    /// Of the same layout.
    pub fn push(&mut self, tensor: Tensor<'_>) {
        match (self, tensor) {
            (Gathered::Planes(all), Tensor::Planes(values)) => all.extend_from_slice(values),
            (Gathered::Blocks(all), Tensor::Blocks(values)) => all.extend_from_slice(values),
            _ => unreachable!("inputs of one network have one layout"),
        }
    }

    /// In lots of inputs that have so many values together; the last may have fewer.
    pub fn lots(&self, values: usize) -> Vec<Tensor<'_>> {
        match self {
            Gathered::Planes(all) => all.chunks(values).map(Tensor::Planes).collect(),
            Gathered::Blocks(all) => all.chunks(values).map(Tensor::Blocks).collect(),
        }
    }
}
