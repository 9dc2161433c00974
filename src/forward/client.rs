//! One backend as the lane sees it: parts in, an outcome out.

use std::time::Duration;

use bytes::Bytes;

use super::call::Called;
use super::config::{Protocol, Transport};
use super::connect::Target;
use super::grpc::{ChannelSettings, GrpcChannel};
use super::http::HttpChannel;
use super::part::Part;
use crate::compress::{self, Compression};
use crate::outcome::Signal;
use crate::split::gather_into;

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
            Transport::Http => Channel::Http(HttpChannel::new(target, signal, &settings)?),
        };
        Ok(Self { channel, compression: protocol.compression, timeout })
    }

    /// Sends the parts as one message. Everything that needs the parts is done before the first wait.
    pub fn call(&self, parts: &[Part]) -> impl Future<Output = Called> + Send + use<'_> {
        let message = self.encode(parts);
        async move {
            match &self.channel {
                Channel::Grpc(channel) => channel.call(message, self.timeout).await,
                Channel::Http(channel) => channel.call(message, self.timeout).await,
            }
        }
    }

    /// Whether the backend takes connections now.
    pub async fn answers(&self) -> bool {
        match &self.channel {
            Channel::Grpc(channel) => channel.answers().await,
            Channel::Http(channel) => channel.answers().await,
        }
    }

    /// One message of all parts: framed for gRPC, bare for HTTP, compressed where configured.
    fn encode(&self, parts: &[Part]) -> Bytes {
        let compression = self.compression;
        let frame = match self.channel {
            Channel::Grpc(_) => 5,
            Channel::Http(_) => {
                if let ([only], None) = (parts, compression)
                    && only.slice.whole
                {
                    return only.slice.source.body.clone(); // travels as it came
                }
                0
            }
        };
        let mut plain = Vec::new();
        if compression.is_none() {
            plain.reserve(frame);
            plain.resize(frame, 0);
        }
        gather_into(parts, &mut plain);
        let mut out = plain;
        if let Some(kind) = compression {
            let plain = std::mem::replace(&mut out, vec![0; frame]);
            compress::deflate(kind, &plain, &mut out);
        }
        if frame == 5 {
            let length = (out.len() - 5) as u32;
            out[0] = u8::from(compression.is_some());
            out[1..5].copy_from_slice(&length.to_be_bytes());
        }
        Bytes::from(out)
    }
}
