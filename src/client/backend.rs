//! One backend: encoded messages in, outcomes out.

use std::time::Duration;

use bytes::Bytes;

use super::call::Called;
use super::config::{HttpForm, Protocol, Transport};
use super::connect::Target;
use super::grpc::{ChannelSettings, GrpcChannel};
use super::http::HttpChannel;
use crate::compress::{self, Compression};
use crate::outcome::Signal;

/// How a backend is spoken to.
pub struct Client {
    channel: Channel,
    compression: Option<Compression>,
    timeout: Duration,
}

enum Channel {
    Grpc(GrpcChannel),
    Http(HttpChannel),
}

impl Client {
    /// No connection is made before the first call, which may last `timeout` at most.
    pub fn new(
        target: Target,
        signal: Signal,
        protocol: &Protocol,
        form: &HttpForm,
        timeout: Duration,
    ) -> Result<Self, String> {
        let settings = ChannelSettings {
            connections: protocol.connections,
            keepalive: protocol.keepalive,
            compression: protocol.compression,
            headers: protocol.headers.clone(),
        };
        let channel = match protocol.transport {
            Transport::Grpc => Channel::Grpc(GrpcChannel::new(target, signal, &settings)?),
            Transport::Http => Channel::Http(HttpChannel::new(target, signal, form, &settings)?),
        };
        Ok(Self { channel, compression: protocol.compression, timeout })
    }

    /// Sends a message that [`Self::seal`] made.
    pub async fn call(&self, message: Bytes) -> Called {
        match &self.channel {
            Channel::Grpc(channel) => channel.call(message, self.timeout).await,
            Channel::Http(channel) => channel.call(message, self.timeout).await,
        }
    }

    /// Whether the backend takes connections now.
    pub async fn answers(&self) -> bool {
        match &self.channel {
            Channel::Grpc(channel) => channel.answers().await,
            Channel::Http(channel) => channel.answers().await,
        }
    }

    /// Whether an encoded request is a message as it is: neither framed nor compressed.
    pub fn takes_bare(&self) -> bool {
        matches!((&self.channel, self.compression), (Channel::Http(_), None))
    }

    /// One message of the encoded request that `write` appends: framed for gRPC, bare for HTTP, compressed where
    /// configured.
    pub fn seal(&self, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let frame = match self.channel {
            Channel::Grpc(_) => 5,
            Channel::Http(_) => 0,
        };
        let mut plain = Vec::new();
        if self.compression.is_none() {
            plain.reserve(frame);
            plain.resize(frame, 0);
        }
        write(&mut plain);
        let mut out = plain;
        if let Some(kind) = self.compression {
            let plain = std::mem::replace(&mut out, vec![0; frame]);
            compress::deflate(kind, &plain, &mut out);
        }
        if frame == 5 {
            let length = (out.len() - 5) as u32;
            out[0] = u8::from(self.compression.is_some());
            out[1..5].copy_from_slice(&length.to_be_bytes());
        }
        Bytes::from(out)
    }
}
