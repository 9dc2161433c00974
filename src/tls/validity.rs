//! When a certificate is valid: the one thing in it rustls verifies of others, but does not tell of our own.

use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The first and last second, since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: u64,
    pub(super) until: u64,
}

impl Validity {
    /// Of a certificate; `None` if it cannot be read.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let mut outer = Der(certificate);
        let mut tbs = Der(Der(outer.take(SEQUENCE)?).take(SEQUENCE)?);
        if tbs.0.first() == Some(&VERSION) {
            tbs.take(VERSION)?;
        }
        tbs.take(INTEGER)?; // serial number
        tbs.take(SEQUENCE)?; // signature algorithm
        tbs.take(SEQUENCE)?; // issuer
        let mut validity = Der(tbs.take(SEQUENCE)?);
        Some(Self { from: validity.time()?, until: validity.time()? })
    }

    /// What is wrong with using it at `now`, if anything.
    pub(super) fn problem(self, now: u64) -> Option<&'static str> {
        if now > self.until {
            Some("the certificate has expired")
        } else if now < self.from {
            Some("the certificate is not valid yet; compare the clocks")
        } else {
            None
        }
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next value, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.next()?;
        (found == tag).then_some(content)
    }

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            // The lower bits say how many bytes hold the length. More than four would be over 4 GiB.
            let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if bytes.is_empty() || bytes.len() > 4 {
                return None;
            }
            length = bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            rest = after;
        }
        let (content, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((tag, content))
    }

    fn time(&mut self) -> Option<u64> {
        let (tag, content) = self.next()?;
        let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
        let (year, rest) = match tag {
            UTC_TIME => {
                let (two, rest) = text.split_at_checked(2)?;
                let two: u64 = two.parse().ok()?;
                (if two < 50 { 2000 + two } else { 1900 + two }, rest)
            }
            GENERALIZED_TIME => {
                let (four, rest) = text.split_at_checked(4)?;
                (four.parse().ok()?, rest)
            }
            _ => return None,
        };
        if rest.len() != 10 {
            return None;
        }
        let part = |index: usize| rest.get(index * 2..index * 2 + 2)?.parse::<u64>().ok();
        let days = days(year, part(0)?, part(1)?)?;
        Some(days * 86_400 + part(2)? * 3600 + part(3)? * 60 + part(4)?)
    }
}

/// Days from 1970 to a date; what is before counts as 1970.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let in_year = BEFORE.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if !(1..=31).contains(&day) {
        return None;
    }
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let past = year.saturating_sub(1);
    let before_year = past * 365 + past / 4 - past / 100 + past / 400;
    // Days from the first of January of the year 1 to 1970.
    let total = before_year + in_year + u64::from(leap && month > 2) + day - 1;
    Some(total.saturating_sub(719_162))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(tag: u8, text: &str) -> Option<u64> {
        let mut bytes = vec![tag, u8::try_from(text.len()).unwrap()];
        bytes.extend_from_slice(text.as_bytes());
        Der(&bytes).time()
    }

    #[test]
    fn both_forms_of_time_are_read() {
        assert_eq!(time(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(time(UTC_TIME, "000301000000Z"), Some(951_868_800));
        assert_eq!(time(UTC_TIME, "261122185201Z"), Some(1_795_373_521));
        assert_eq!(time(GENERALIZED_TIME, "21000228235959Z"), Some(4_107_542_399));
        assert_eq!(time(GENERALIZED_TIME, "21001328235959Z"), None);
        assert_eq!(time(UTC_TIME, "2611221852Z"), None);
    }

    #[test]
    fn a_certificate_tells_its_validity() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(["a".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 3, 1);
        params.not_after = rcgen::date_time_ymd(2100, 2, 28);
        let certificate = params.self_signed(&key).unwrap();
        let validity = Validity::of(certificate.der()).unwrap();
        assert_eq!(validity, Validity { from: 951_868_800, until: 4_107_456_000 });
        assert!(validity.problem(951_868_799).is_some());
        assert_eq!(validity.problem(951_868_800), None);
        assert_eq!(validity.problem(4_107_456_001), Some("the certificate has expired"));
    }

    #[test]
    fn broken_certificates_have_no_validity() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["a".to_owned()]).unwrap();
        let whole = params.self_signed(&key).unwrap().der().to_vec();
        for end in 0..whole.len().min(200) {
            let _ = Validity::of(&CertificateDer::from(&whole[..end]));
        }
        for length in
            [[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], [0x30, 0xff, 1, 2, 3, 4], [0x30, 0x80, 0, 0, 0, 0]]
        {
            assert_eq!(Validity::of(&CertificateDer::from(&length[..])), None);
        }
    }
}
