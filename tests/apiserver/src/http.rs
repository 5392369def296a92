//! The HTTP surface: requests are parsed and routed here, answers are rendered here; what they mean is in [`crate::rest`].

pub(crate) mod accept;
pub(crate) mod decode;
pub(crate) mod protobuf;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod route;
pub(crate) mod serve;
