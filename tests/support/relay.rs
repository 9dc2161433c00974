//! A relay between two ends that can fall silent: connections stay open, and nothing passes any more.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards connections to one address.
pub struct Relay {
    pub address: SocketAddr,
    silences: watch::Sender<usize>,
    connections: Arc<AtomicUsize>,
}

impl Relay {
    pub async fn to(target: String) -> Self {
        let address = super::process::free_address();
        let listener = TcpListener::bind(address).await.unwrap();
        let silences = watch::Sender::new(0);
        let connections = Arc::new(AtomicUsize::new(0));
        let (subscriber, counter) = (silences.clone(), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let (target, mut silence) = (target.clone(), subscriber.subscribe());
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(&target).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = silence.changed() => std::future::pending().await, // both ends stay open
                    }
                });
            }
        });
        Self { address, silences, connections }
    }

    /// Nothing passes over the connections of now; later ones work.
    pub fn fall_silent(&self) {
        self.silences.send_modify(|count| *count += 1);
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}
