//! A table of converters: what they give, as JSON.

use super::value_of;

fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<_> = cases.iter().map(|(text, expected)| (*text, value_of(text), *expected)).collect();
    let wrong: Vec<_> = wrong.iter().filter(|(_, found, expected)| found != expected).collect();
    assert!(wrong.is_empty(), "expression, what it gives, what it should: {wrong:#?}");
}

#[test]
fn of_strings() {
    check(&[
        (
            r#"Concat([name, attributes["int"], attributes["none"], true], "-")"#,
            r#""GET /users-42-<nil>-true""#,
        ),
        (
            r#"Concat([trace_id, ":", span_id], "")"#,
            r#""[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]:[1,2,3,4,5,6,7,8]""#,
        ),
        (r#"Split("a|b||c", "|")"#, r#"["a","b","","c"]"#),
        (r#"Split("ab", "")"#, r#"["a","b"]"#),
        (r#"Split("a,b", ",")[1]"#, r#""b""#),
        (r#"Split(attributes["none"], ",")"#, "error: expected string but got nil"),
        (r#"Substring("hello", 1, 3)"#, r#""ell""#),
        (
            r#"Substring("hello", 3, 3)"#,
            "error: invalid range for substring function, 6 cannot be greater than the length of target string(5)",
        ),
        (r#"ToLowerCase("ÀB")"#, r#""àb""#),
        (r#"ToUpperCase("àb")"#, r#""ÀB""#),
        (r#"ConvertCase("HTTPServer name", "snake")"#, r#""http_server_name""#),
        (r#"ConvertCase("some_name here", "camel")"#, r#""SomeNameHere""#),
        (r#"ConvertCase("Abc", "upper")"#, r#""ABC""#),
        (r#"Trim(" a b ")"#, r#""a b""#),
        (r#"Trim("xxaxx", "x")"#, r#""a""#),
        (r#"TrimPrefix("v1.2", "v")"#, r#""1.2""#),
        (r#"TrimSuffix("a.log", ".log")"#, r#""a""#),
        (r#"HasSuffix(name, "users")"#, "true"),
        (r#"IsMatch(attributes["int"], "^4")"#, "true"),
        (r#"ExtractPatterns("k=v", "(?P<key>\\w)=(?P<value>\\w)")"#, r#"{"key":"k","value":"v"}"#),
        (r#"ExtractPatterns("none", "(?P<key>\\d)")"#, "{}"),
        (r#"Format("%s-%05d|%x|%v|%.2f|%%", ["a", 42, 255, true, 1.5])"#, r#""a-00042|ff|true|1.50|%""#),
        (r#"Format("%d", ["a"])"#, r#""%!d(string=a)""#),
        (r#"Hex("AZ")"#, r#""415a""#),
        (r#"Base64Encode("hello?>")"#, r#""aGVsbG8/Pg==""#),
        (r#"Base64Decode("aGVsbG8/Pg==")"#, r#""hello?>""#),
        (r#"Decode("aGVsbG8_Pg", "base64-raw-url")"#, r#""hello?>""#),
        (r#"MaskEmail("to user@example.com")"#, r#""to u***@e***.com""#),
    ]);
}

#[test]
fn of_types() {
    check(&[
        (r#"Int("17")"#, "17"),
        (r#"Int("x")"#, r#"error: parsing "x": invalid syntax or out of range"#),
        (r#"Int(2.9)"#, "2"),
        (r#"Int(true)"#, "1"),
        (r#"Double("1.25")"#, "1.25"),
        (r#"Double(2)"#, "2"),
        (r#"Bool("true")"#, "true"),
        (r#"Bool("maybe")"#, r#"error: parsing "maybe": invalid syntax"#),
        (r#"Bool(attributes["none"])"#, "nil"),
        (r#"String(1.5)"#, r#""1.5""#),
        (r#"String(attributes["bytes"])"#, r#""01ff""#),
        (r#"String(attributes["map"])"#, r#""{\"x\":1,\"y\":{\"z\":\"deep\"}}""#),
        (r#"IsString("a")"#, "true"),
        (r#"IsInt(1.0)"#, "false"),
        (r#"IsDouble(1.0)"#, "true"),
        (r#"IsBool(attributes["yes"])"#, "true"),
        (r#"IsMap(attributes["map"])"#, "true"),
        (r#"IsMap(attributes)"#, "true"),
        (r#"IsList(attributes["list"])"#, "true"),
        (r#"IsEmpty(attributes["empty"])"#, "true"),
        (r#"Len(attributes["map"])"#, "2"),
        (r#"Len("héllo")"#, "6"),
        (r#"Len(attributes["none"])"#, "error: cannot take the length of nil"),
        (r#"Coalesce([attributes["none"], nil, attributes["int"]])"#, "42"),
        (r#"Coalesce([nil])"#, "nil"),
        (r#"ContainsValue(attributes["list"], 2)"#, "true"),
        (r#"ContainsValue(attributes["list"], "b")"#, "false"),
        (r#"Keys(attributes["map"])"#, r#"["x","y"]"#),
        (r#"Values({"a": 1, "b": "c"})"#, r#"[1,"c"]"#),
        (r#"Index("hello", "l")"#, "2"),
        (r#"Index(attributes["list"], 2)"#, "1"),
        (r#"Index(attributes["list"], 9)"#, "-1"),
        (r#"Sort([3, 1, 2])"#, "[1,2,3]"),
        (r#"Sort(["b", "a"], "desc")"#, r#"["b","a"]"#),
        (r#"SliceToMap([{"k": "a", "v": 1}], ["k"], ["v"])"#, r#"{"a":1}"#),
        (r#"IsRootSpan()"#, "true"),
    ]);
}

#[test]
fn of_times() {
    check(&[
        ("UnixNano(start_time)", "1709212455123456789"),
        ("UnixMilli(start_time)", "1709212455123"),
        ("UnixMicro(start_time)", "1709212455123456"),
        ("UnixSeconds(start_time)", "1709212455"),
        ("Milliseconds(end_time - start_time)", "1500"),
        ("Seconds(end_time - start_time)", "1.5"),
        (r#"Minutes(Duration("90s"))"#, "1.5"),
        (r#"Nanoseconds(Duration("1us"))"#, "1000"),
        (r#"UnixNano(Unix(5, 7))"#, "5000000007"),
        ("Year(start_time)", "2024"),
        ("Month(start_time)", "2"),
        ("Day(start_time)", "29"),
        ("Hour(start_time)", "13"),
        ("Weekday(start_time)", "4"),
        ("Nanosecond(start_time)", "123456789"),
        (r#"FormatTime(start_time, "%Y-%m-%dT%H:%M:%S.%L%z")"#, r#""2024-02-29T13:14:15.123Z""#),
        (r#"UnixSeconds(Time("2024-02-29 13:14:15", "%Y-%m-%d %H:%M:%S"))"#, "1709212455"),
        (r#"UnixSeconds(Time("29/Feb/2024:14:14:15 +0100", "%d/%b/%Y:%H:%M:%S %z"))"#, "1709212455"),
        (r#"FormatTime(TruncateTime(start_time, Duration("1h")), "%T")"#, r#""13:00:00""#),
        (r#"Duration("x")"#, r#"error: time: invalid duration "x""#),
        (r#"String(start_time)"#, r#""\"2024-02-29T13:14:15.123456789Z\"""#),
        (r#"UnixSeconds(Time("2024-02-29 14:14:15", "%F %T", "Europe/Berlin"))"#, "1709212455"),
        (r#"UnixSeconds(Time("2024-07-29 14:14:15", "%F %T", "Europe/Berlin"))"#, "1722255255"),
        (
            r#"FormatTime(Time("2024-07-29 14:14:15", "%F %T", "Europe/Berlin"), "%R %Z %z %j")"#,
            r#""14:14 CEST +0200 +02:00""#,
        ),
        (r#"Hour(Time("2024-02-29 14:14:15+05:30", "%F %T%z", "Asia/Kolkata"))"#, "14"),
        (r#"UnixSeconds(Time("Feb 29 13:14:15 EST", "%b %d %T %Z"))"#, "1709230455"),
        (r#"UnixSeconds(Time("Mar  6 13:14:15", "%b %e %T"))"#, "1709730855"),
        (r#"UnixSeconds(Time("Mar  8 13:14:15", "%b %e %T"))"#, "1678281255"),
    ]);
}

#[test]
fn of_hashes_and_ids() {
    check(&[
        (r#"SHA256("a")"#, r#""ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb""#),
        (r#"SHA1("a")"#, r#""86f7e437faa5a7fce15d1ddcb9eaeaea377667b8""#),
        (r#"MD5("a")"#, r#""0cc175b9c0f1b6a831c399e269772661""#),
        (r#"FNV("hello world")"#, "8618312879776256743"),
        (r#"Len(SHA512("a"))"#, "128"),
        (r#"XXH3("")"#, r#""2d06800538d394c2""#),
        (r#"Murmur3Hash("hello")"#, r#""47fa8b24""#),
        ("UUID()", r#""01234567-89ab-4def-8123-456789abcdef""#),
        ("Len(UUIDv7())", "36"),
    ]);
}

#[test]
fn of_parsers() {
    check(&[
        (r#"ParseJSON("{\"a\":1,\"b\":[true,null]}")"#, r#"{"a":1,"b":[true,null]}"#),
        (
            r#"URL("HTTPS://u:p@h.example:8080/a/b.html?q=1#f")"#,
            concat!(
                r#"{"url.domain":"h.example","url.extension":"html","url.fragment":"f","#,
                r#""url.original":"https://u:p@h.example:8080/a/b.html?q=1#f","url.password":"p","#,
                r#""url.path":"/a/b.html","url.port":8080,"url.query":"q=1","url.scheme":"https","#,
                r#""url.user_info":"u:p","url.username":"u"}"#
            ),
        ),
        (r#"ParseCSV("1,\"a,b\",3", "x,y,z")"#, r#"{"x":"1","y":"a,b","z":"3"}"#),
        (r#"ParseCSV("1", "x,y")"#, "error: wrong number of fields: expected 2, found 1"),
        (r#"ParseKeyValue("a=1 b=\"x y\"")"#, r#"{"a":"1","b":"x y"}"#),
        (r#"ParseKeyValue("a:1,b:2", ":", ",")"#, r#"{"a":"1","b":"2"}"#),
        (r#"ToKeyValueString({"b": 2, "a": "x y"}, "=", " ", true)"#, r#""a=\"x y\" b=2""#),
        (r#"ParseInt("ff", 16)"#, "255"),
        (r#"IsInCIDR("10.1.2.3", ["192.168.0.0/16", "10.0.0.0/8"])"#, "true"),
        (r#"IsInCIDR("::1", ["10.0.0.0/8"])"#, "false"),
        (r#"Decode("aGVsbG8=", "base64")"#, r#""hello""#),
        (r#"Decode("aGVsbG8", "base64")"#, "error: illegal base64 data"),
        (r#"Decode(0x680069006500, "utf-16")"#, r#""hie""#),
        (r#"Decode(0x80, "windows-1252")"#, r#""€""#),
        (r#"ParseInt("0x1f", 0)"#, "31"),
        (r#"ParseSeverity("err", {"error": [{"equals": ["err"]}], "ok": [{"range": "2xx"}]})"#, r#""error""#),
        (r#"ParseSeverity(204, {"error": [{"equals": ["err"]}], "ok": [{"range": "2xx"}]})"#, r#""ok""#),
        (
            r#"ParseSeverity(404, {"ok": [{"range": {"min": 1, "max": 9}}]})"#,
            "error: could not map log level: no matching log level found",
        ),
        (
            r#"CommunityID("128.232.110.120", 34855, "66.35.250.204", 80)"#,
            r#""1:LQU9qZlK+B5F3KDmev6m5PMibrg=""#,
        ),
        (
            r#"ExtractGrokPatterns("10 apples", "%{NUMBER:n:int} %{WORD:what.is}", true)"#,
            r#"{"n":10,"what.is":"apples"}"#,
        ),
        (
            r#"ExtractGrokPatterns("abc-1", "%{OWN:a}-(?P<d>\\d)", true, ["OWN=[a-c]+"])"#,
            r#"{"a":"abc","d":"1"}"#,
        ),
        (r#"ExtractGrokPatterns("x", "%{NUMBER}")"#, "{}"),
        (r#"IsValidLuhn("4111 1111 1111 1111")"#, "true"),
        (r#"IsValidLuhn("4111111111111112")"#, "false"),
    ]);
}

#[test]
fn of_xml() {
    check(&[
        (
            r#"ParseXML("<a x=\"1\"> t <b>u</b></a>")"#,
            r#"{"attributes":{"x":"1"},"children":[{"content":"u","tag":"b"}],"content":"t","tag":"a"}"#,
        ),
        (r#"ParseXML("<a/> ")"#, "error: trailing bytes after parsing xml"),
        (
            r#"ParseSimplifiedXML("<a><b>1</b><b>2</b><c><d>3</d></c></a>")"#,
            r#"{"a":{"b":["1","2"],"c":{"d":"3"}}}"#,
        ),
        (r#"GetXML("<a><b>1</b><b>2</b></a>", "/a/b[2]")"#, r#""<b>2</b>""#),
        (r#"GetXML("<a x=\"1\"/>", "/a/@x")"#, r#""1""#),
        (r#"RemoveXML("<a><b>1</b><b>2</b></a>", "/a/b[. = '1']")"#, r#""<a><b>2</b></a>""#),
        (r#"RemoveXML("<a x='1' y='2'/>", "//@x")"#, r#""<a y=\"2\"></a>""#),
        (r#"InsertXML("<a><b/></a>", "/a", "<c>1</c>")"#, r#""<a><b></b><c>1</c></a>""#),
        (
            r#"ConvertAttributesToElementsXML("<a x='1' y='2'><b/></a>")"#,
            r#""<a><b></b><x>1</x><y>2</y></a>""#,
        ),
        (r#"ConvertTextToElementsXML("<a>x<b/>y</a>", "/a", "t")"#, r#""<a><t>x</t><b></b><t>y</t></a>""#),
    ]);
}
