//! Documents read, searched and written.

use super::*;

fn written(text: &str) -> Result<String, String> {
    Tree::read(text).map(|tree| tree.write())
}

#[test]
fn documents_are_written_as_they_are_read() {
    let cases = [
        ("<a/>", "<a></a>"),
        (
            "<?xml version='1.0' encoding=\"UTF-8\"?>\n<a/>\n",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a></a>\n",
        ),
        ("<!-- dropped --><a><!-- kept --></a>", "<a><!-- kept --></a>"),
        (
            "<a x='1' y=\"&lt;&quot;\">t &amp; &#65;<![CDATA[<b>]]></a>",
            "<a x=\"1\" y=\"&lt;&#34;\">t &amp; A<![CDATA[<b>]]></a>",
        ),
        ("<n:a xmlns:n=\"u\" n:x=\"1\"><n:b/></n:a>", "<n:a xmlns:n=\"u\" n:x=\"1\"><n:b></n:b></n:a>"),
        ("<a/><b/>", "<a></a><b></b>"),
    ];
    for (text, expected) in cases {
        assert_eq!(written(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_document_is_refused() {
    let deep = "<a>".repeat(DEPTH_MAX + 1);
    for text in
        ["", "text", "<a>", "<a></b>", "<a>&none;</a>", "<a x=1/>", "<n:a/>", "<a x='1' x='2'/>", &deep]
    {
        assert!(written(text).is_err(), "{text}");
    }
}

const LIBRARY: &str = r#"<lib><book id="1" lang="en"><title>One</title><year>2001</year></book><book id="2"><title>Two</title><year>1999</year><!--c--></book><dvd id="3"><title>Three</title></dvd></lib>"#;

#[test]
fn paths_select_in_the_order_of_the_document() {
    let cases = [
        ("/", "OneTwo"),
        ("/lib/book/title", "One|Two"),
        ("//title", "One|Two|Three"),
        ("/lib/*/title/text()", "One|Two|Three"),
        ("//book/@id", "1|2"),
        ("//@*", "1|en|2|3"),
        ("/lib/book[1]/title", "One"),
        ("/lib/book[last()]/title", "Two"),
        ("/lib/book[position() < 2]/title", "One"),
        ("/lib/book[last() - 1]/title", "One"),
        ("//book[@id='2']/title", "Two"),
        ("//*[@lang]/title", "One"),
        ("//book[year > 2000]/title", "One"),
        ("//book[title='Two' or @lang='en']/@id", "1|2"),
        ("//book[not(@lang)]/@id", "2"),
        ("//title[contains(., 'hre')]", "Three"),
        ("//title[starts-with(text(), 'T')]/../@id", "2|3"),
        ("//title[. = 'One']/parent::book/@id", "1"),
        ("//dvd/preceding-sibling::book[1]/@id", "2"),
        ("//book/following-sibling::dvd/@id", "3"),
        ("//year | //dvd/title", "2001|1999|Three"),
        ("//*[name() = 'dvd']/@id", "3"),
        ("//book[count(*) = 2]/@id", "1|2"),
        ("//book[comment()]/@id", "2"),
        ("lib/dvd/title/ancestor::lib/book[1]/@id", "1"),
        ("//none", ""),
    ];
    let tree = Tree::read(LIBRARY).unwrap();
    for (path, expected) in cases {
        let found = XPath::of(path).unwrap().select(&tree).unwrap();
        let texts: Vec<_> = found.into_iter().map(|node| tree.text_of(node)).collect();
        let expected = if path == "/" { tree.text(DOCUMENT) } else { expected.to_owned() };
        assert_eq!(texts.join("|"), expected, "{path}");
    }
}

#[test]
fn paths_that_are_not_known_are_refused() {
    for path in
        ["", "a[", "//", "a/", "following::a", "id('x')", "a[foo()]", "a]", "processing-instruction()", "@"]
    {
        assert!(XPath::of(path).is_err(), "{path}");
    }
    let error = XPath::of("//a[foo()]").unwrap_err();
    assert_eq!(error, "invalid xpath: the function foo() is not known here");
}

#[test]
fn a_search_that_does_not_end_soon_is_given_up() {
    let wide = format!("<a>{}</a>", "<b/>".repeat(3000));
    let tree = Tree::read(&wide).unwrap();
    assert!(XPath::of("//b[//b]").unwrap().select(&tree).unwrap_err().contains("more than 1000000"));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in r#"([<>/a-b"'=&;!?\[\]@.:*|() 0-9-]|<a>|</a>|<!--|-->|text\(\)|::){0,24}"#) {
        let _ = Tree::read(&text);
        let _ = Tree::read_element(&text);
        if let Ok(path) = XPath::of(&text) {
            let _ = path.select(&Tree::read(LIBRARY).unwrap());
        }
    }
}
