//! The listener, asked over real sockets.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sends `request` to `server`, reads to the end of the connection and stops the server.
pub(in super::super) async fn exchange(server: Server, request: &str) -> String {
    let address = server.local_addr();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(server.serve(shutdown.clone()));
    let answer = tokio::time::timeout(Duration::from_secs(5), send(address, request)).await.unwrap();
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(5), serving).await.unwrap().unwrap();
    answer
}

async fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

struct Echo;

impl Answers for Echo {
    fn answer<'a>(&'a self, asked: &'a Asked) -> BoxFuture<'a, Page> {
        Box::pin(async move { Page::text(200, format!("{} {}", asked.method, asked.path)) })
    }
}

async fn echo() -> Server {
    Server::bind("test", "127.0.0.1:0", Manner::new(Arc::new(Echo)), &[]).await.unwrap()
}

#[tokio::test]
async fn a_request_is_answered() {
    let answer = exchange(echo().await, "GET /a?b=c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("x-content-type-options: nosniff\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nGET /a"), "{answer}");
}

#[tokio::test]
async fn who_does_not_get_past_the_gate_gets_no_page() {
    let gate: Gate = Arc::new(|headers| {
        let open = headers.contains_key("x-key");
        Box::pin(async move { if open { Ok(()) } else { Err("no key".to_owned()) } })
    });
    let ask = async |key: &str| {
        let manner = Manner::new(Arc::new(Echo)).guarded(Arc::clone(&gate));
        let server = Server::bind("test", "127.0.0.1:0", manner, &[]).await.unwrap();
        exchange(server, &format!("GET /a HTTP/1.1\r\nHost: x\r\n{key}Connection: close\r\n\r\n")).await
    };
    assert!(ask("X-Key: 1\r\n").await.ends_with("\r\n\r\nGET /a"));
    let refused = ask("").await;
    assert!(refused.starts_with("HTTP/1.1 401 ") && refused.ends_with("\r\n\r\nno key\n"), "{refused}");
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let answer = exchange(echo().await, "HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("content-length: 6\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let request = format!(
        "POST /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
        BODY_MAX + 1,
        "x".repeat(BODY_MAX + 1)
    );
    let answer = exchange(echo().await, &request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_taken_address_is_named_with_its_key() {
    let first = echo().await;
    let address = first.local_addr().to_string();
    let error = Server::bind("extensions.admin.endpoint", &address, Manner::new(Arc::new(Echo)), &[])
        .await
        .err()
        .unwrap();
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("extensions.admin.endpoint: cannot listen on `{address}`: ")),
        "{text}"
    );
    assert!(text.contains("another process"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_finishes_its_header_is_cut_off() {
    let server = echo().await;
    let address = server.local_addr();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(server.serve(shutdown.clone()));
    let started = tokio::time::Instant::now();
    let answer = send(address, "GET / HTTP/1.1\r\nHost:").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(started.elapsed() >= CLIENT_TIMEOUT);
    shutdown.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn a_listener_that_changes_keeps_its_connections_and_one_that_closes_frees_its_address() {
    struct Other;
    impl Answers for Other {
        fn answer<'a>(&'a self, _asked: &'a Asked) -> BoxFuture<'a, Page> {
            Box::pin(std::future::ready(Page::text(200, "other")))
        }
    }
    let stop = CancellationToken::new();
    let listening = echo().await.start(&stop);
    let address = listening.local_addr();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut ask = async || {
        stream.write_all(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut buffer = vec![0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        String::from_utf8(buffer[..read].to_vec()).unwrap()
    };
    assert!(ask().await.ends_with("GET /a"));
    listening.change(Manner::new(Arc::new(Other)));
    assert!(ask().await.ends_with("other"));
    let manner = || Manner::new(Arc::new(Echo));
    let taken = Server::bind("test", &address.to_string(), manner(), &[]).await;
    assert!(taken.is_err());
    let next = Server::bind("test", &address.to_string(), manner(), &[&listening]).await.unwrap();
    let next = next.start(&stop);
    listening.close().await;
    let request = "GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(send(address, request).await.ends_with("GET /b"));
    next.close().await;
    Server::bind("test", &address.to_string(), manner(), &[]).await.unwrap();
}

#[tokio::test]
async fn the_connection_after_the_last_place_waits_its_turn() {
    let server = echo().await;
    let address = server.local_addr();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(server.serve(shutdown.clone()));
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        stream.read_u8().await.unwrap();
        idle.push(stream);
    }
    let late = tokio::spawn(send(address, "GET /late HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!late.is_finished(), "there is no place");
    idle.pop();
    assert!(late.await.unwrap().ends_with("GET /late"));
    shutdown.cancel();
    serving.await.unwrap();
}
