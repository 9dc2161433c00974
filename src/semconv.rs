//! Attributes that the semantic conventions renamed: a rule for one name may mean the other too.

/// Attributes renamed when the conventions of HTTP and databases became stable: old, new. Only those whose values
/// stayed the same.
const RENAMED: &[(&[u8], &[u8])] = &[
    (b"http.status_code", b"http.response.status_code"),
    (b"http.url", b"url.full"),
    (b"http.method", b"http.request.method"),
    (b"db.system", b"db.system.name"),
    (b"db.statement", b"db.query.text"),
];

/// The other name of an attribute.
pub fn other(name: &[u8]) -> Option<&'static [u8]> {
    RENAMED.iter().find_map(|(old, new)| match name {
        _ if name == *old => Some(*new),
        _ if name == *new => Some(*old),
        _ => None,
    })
}

/// Which attributes a name in a rule means: `semconv`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// Those of this name.
    #[default]
    Written,
    /// Those of either name.
    Either,
}

impl Names {
    /// What `semconv` says.
    pub fn of(semconv: bool) -> Self {
        if semconv { Self::Either } else { Self::Written }
    }

    /// What `find` finds under the name that is written; only then under the other.
    pub fn first<T>(self, written: &[u8], mut find: impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
        find(written).or_else(|| find(self.other(written)?))
    }

    /// As [`Names::first`], of something that may fail.
    pub fn try_first<T, E>(
        self,
        written: &[u8],
        mut find: impl FnMut(&[u8]) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        match (find(written)?, self.other(written)) {
            (None, Some(other)) => find(other),
            (found, _) => Ok(found),
        }
    }

    /// Whether an attribute of this name is meant by a rule that `means` some names.
    pub fn any(self, name: &[u8], means: impl Fn(&[u8]) -> bool) -> bool {
        means(name) || self.other(name).is_some_and(means)
    }

    /// The other name that is meant too.
    pub fn other(self, name: &[u8]) -> Option<&'static [u8]> {
        match self {
            Self::Written => None,
            Self::Either => other(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_one_other_whose_other_it_is() {
        for (old, new) in RENAMED {
            assert_eq!((other(old), other(new)), (Some(*new), Some(*old)));
        }
        assert_eq!((other(b"http.route"), other(b"")), (None, None));
    }

    #[test]
    fn the_written_name_comes_first_and_the_other_only_when_asked() {
        let among =
            |known: &'static [&'static [u8]]| move |name: &[u8]| known.iter().position(|one| *one == name);
        let both: &[&[u8]] = &[b"url.full", b"http.url"];
        assert_eq!(Names::Either.first(b"http.url", among(both)), Some(1));
        assert_eq!(Names::Either.first(b"http.url", among(&[b"url.full"])), Some(0));
        assert_eq!(Names::Written.first(b"http.url", among(&[b"url.full"])), None);
        let found = |name: &[u8]| Ok::<_, ()>(among(&[b"url.full"])(name));
        assert_eq!(Names::Either.try_first(b"http.url", found), Ok(Some(0)));
        assert!(Names::Either.any(b"url.full", |name| name == b"http.url"));
        assert!(!Names::Written.any(b"url.full", |name| name == b"http.url"));
    }
}
