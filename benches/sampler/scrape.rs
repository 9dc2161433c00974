//! What ringtail says of itself: pages over HTTP, series out of them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The series of a process at one moment.
pub struct Series(String);

/// The status of a page, and the page.
pub fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no HTTP status")?;
    let (_, page) = text.split_once("\r\n\r\n").context("no page")?;
    Ok((status, page.to_owned()))
}

impl Series {
    /// Asks for them.
    pub fn scrape(address: SocketAddr) -> anyhow::Result<Self> {
        let (status, page) = get(address, "/metrics")?;
        anyhow::ensure!(status == 200, "metrics: status {status}");
        Ok(Self(page))
    }

    /// Labels and value of every series of this name.
    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            if !rest.starts_with(['{', ' ']) {
                return None;
            }
            let (labels, value) = rest.rsplit_once(' ')?;
            Some((labels, value.parse().ok()?))
        })
    }

    /// The sum of all series of this name.
    pub fn sum(&self, name: &str) -> f64 {
        self.named(name).map(|(_, value)| value).sum()
    }

    /// The sum of what all series of this name are off zero.
    pub fn off(&self, name: &str) -> f64 {
        self.named(name).map(|(_, value)| value.abs()).sum()
    }

    /// Upper bound and cumulated count of a histogram's buckets.
    fn buckets(&self, name: &str) -> Vec<(f64, f64)> {
        let name = format!("{name}_bucket");
        let bucket = |(labels, count): (&str, f64)| {
            let (_, rest) = labels.split_once("le=\"")?;
            let (bound, _) = rest.split_once('"')?;
            Some((if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? }, count))
        };
        self.named(&name).filter_map(bucket).collect()
    }

    /// The value that this share of a histogram's observations since `before` did not exceed, by interpolation in its
    /// bucket; the last finite bound for what is beyond it.
    pub fn quantile(&self, before: &Self, name: &str, share: f64) -> f64 {
        let (now, then) = (self.buckets(name), before.buckets(name));
        let count = |index: usize| now[index].1 - then.get(index).map_or(0.0, |bucket| bucket.1);
        let Some(last) = now.len().checked_sub(1) else { return 0.0 };
        let wanted = count(last) * share;
        let (mut lower, mut below) = (0.0, 0.0);
        for (index, (bound, _)) in now.iter().enumerate() {
            let upto = count(index);
            if upto >= wanted && upto > below {
                let inside = (wanted - below) / (upto - below);
                return if bound.is_finite() { lower + (bound - lower) * inside } else { lower };
            }
            (lower, below) = (*bound, upto);
        }
        0.0
    }
}
