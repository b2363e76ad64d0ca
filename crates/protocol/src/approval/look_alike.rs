//! Letters that pose as others, by those parts of the tables of UTS 39 (confusables, Unicode 18) that stand for one ASCII
//! character: a word that mixes Latin with letters drawn like it, a word made of nothing but such letters, signs that look
//! like those a shell or a path reads, and hosts that are not spelled as they look. Hints for a person, never a gate.

/// Hosts of one request that are spelled out; more than these say enough.
pub const HOSTS_MAX: usize = 8;
/// Bytes of a host name: longer ones resolve nowhere.
const HOST_BYTES_MAX: usize = 253;

/// Greek, Coptic, Cyrillic, Armenian, Cherokee and Lisu letters that are drawn as Latin ones.
const TWINS: &str = "ͿΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγηικνορστυχωϒϜϨϬϭϱϲϳϸϹϺЅІЈАВЕЗКМНОРСТУХЬабвгекмнорстухшѕіјѡѴѵґҮүҺһҽӀӏӠԁԌ\
ԚԛԜԝԼՅՍՏՕագզհյոռսցւքօᎠᎡᎢᎥᎩᎪᎫᎬᎳᎷᎻᎽᏀᏂᏃᏎᏏᏒᏔᏕᏙᏚᏞᏟᏢᏦᏧᏮᏳᏴᲂᲃᲄᴦⲂⲅⲌⲍⲎⲒⲓⲔⲘⲚⲜⲞⲟⲢⲣⲤⲥⲦⲨⲩⲬⲽⳄⳊⳋⳌⳎⳏⳐⳒⳓⳜꓐ\
ꓑꓒꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴꙄꙇꭵꮁꮃꮓꮞꮤꮩꮪꮯꮾ";
/// Latin letters of no common alphabet that are drawn as others.
const ODD_LATIN: &str = "ƄƍƒƖƦƧƷǀȜȷɌɑɡɣɩɪɯʄʋʏᴄᴏᴑᴜᴠᴡᴢᶃᶌẝỿⱫⱬꜱꝚꝪꝮꝯꞁꞘꞙꞟꞫꞮꞲꞳꞴꟺꟾꬲꬵꬽꭇꭈꭎꭒꭚꭤ";
/// Signs that are drawn as `/ \\ . : ; | & $ < >` and are none to a program.
const SIGNS: &str = "⁄∕╱⟋⧸ⳇ／∖⟍⧵⧹﹨＼․܁܂ꓸ﹒．ː˸։׃܃܄፡∶ꓽ꞉：;﹔；ǀ∣｜﹠＆﹩＄˂ᐸ﹤＜˃ᐳ﹥＞";
/// Signs that are drawn as `-`, and begin no option.
const DASHES: &str = "˗۔‐‑‒–−⁃➖Ⲻⲻ﹘﹣－";

/// A host that is written with other letters than it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// As it stands in the text.
    pub shown: String,
    /// As it is looked up.
    pub ascii: String,
}

/// Whether a word of `text` holds letters that pose as others.
///
/// ```
/// use portcullis_protocol::approval::look_alike::poses;
/// assert!(poses("rm раypal.txt"), "the first two letters are Cyrillic");
/// assert!(!poses("echo привет world"));
/// ```
#[must_use]
pub fn poses(text: &str) -> bool {
    text.split_whitespace().any(word_poses)
}

fn word_poses(word: &str) -> bool {
    if word.is_ascii() {
        return false;
    }
    // Who writes Chinese or Japanese writes wide signs too.
    let is_sign = |character| SIGNS.contains(character) && !word.chars().any(is_east_asian);
    let is_odd = |character| is_styled(character) || ODD_LATIN.contains(character) || is_sign(character);
    let is_option = word.chars().count() > 1 && word.starts_with(|first| DASHES.contains(first));
    if is_option || word.chars().any(is_odd) {
        return true;
    }
    let mut letters = word.chars().filter(|character| character.is_alphabetic()).peekable();
    let all_twins = letters.peek().is_some() && letters.all(|letter| TWINS.contains(letter));
    let latin = word.chars().any(|character| character.is_ascii_alphabetic());
    all_twins || latin && word.chars().any(is_foreign)
}

/// Wide letters and digits, and those of formulas.
fn is_styled(character: char) -> bool {
    matches!(character, '０'..='９' | 'Ａ'..='Ｚ' | 'ａ'..='ｚ' | '\u{1d400}'..='\u{1d7ff}' | '\u{2100}'..='\u{214f}' | '\u{2160}'..='\u{217f}')
}

fn is_east_asian(character: char) -> bool {
    matches!(character, '\u{2e80}'..='\u{2fff}' | '\u{3040}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}')
}

/// Letters of scripts with many twins.
fn is_foreign(character: char) -> bool {
    matches!(character, '\u{0370}'..='\u{03ff}' | '\u{0400}'..='\u{052f}' | '\u{0531}'..='\u{058f}' | '\u{13a0}'..='\u{13ff}' | '\u{2c80}'..='\u{2cff}' | '\u{a4d0}'..='\u{a4ff}' | '\u{ab70}'..='\u{abbf}')
}

/// The hosts of `text` that are not ASCII, at most [`HOSTS_MAX`], each once: what stands behind `://`, or behind `@` as
/// in `git@host:path`.
#[must_use]
pub fn hosts(text: &str) -> Vec<Host> {
    let mut hosts: Vec<Host> = Vec::new();
    for authority in authorities(text) {
        let Some(ascii) = punycode_host(authority) else { continue };
        if !hosts.iter().any(|host| host.shown == authority) {
            hosts.push(Host { shown: authority.to_owned(), ascii });
        }
        if hosts.len() == HOSTS_MAX {
            break;
        }
    }
    hosts
}

fn authorities(text: &str) -> impl Iterator<Item = &str> {
    let ends_host = |character: char| {
        character.is_whitespace()
            || matches!(character, '/' | '\\' | '?' | '#' | ':' | '"' | '\'' | '`' | '<' | '>' | ')' | '@')
    };
    let behind = move |mark: &'static str| {
        text.match_indices(mark).filter_map(move |(at, _)| {
            let rest = &text[at + mark.len()..];
            rest.split(ends_host).next().filter(|host| !host.is_empty())
        })
    };
    behind("://").chain(behind("@"))
}

/// The name a resolver is asked for, or `None` when it is what is shown, or no name.
fn punycode_host(host: &str) -> Option<String> {
    if host.is_ascii() || host.len() > HOST_BYTES_MAX {
        return None;
    }
    let is_dot = |character| matches!(character, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}');
    let labels: Option<Vec<String>> = host.split(is_dot).map(label).collect();
    labels.map(|labels| labels.join("."))
}

fn label(label: &str) -> Option<String> {
    let lower = label.to_lowercase();
    if lower.is_ascii() { Some(lower) } else { punycode(&lower).map(|ascii| format!("xn--{ascii}")) }
}

/// RFC 3492. `None` where its arithmetic would overflow.
fn punycode(text: &str) -> Option<String> {
    const BASE: u32 = 36;
    const T_MIN: u32 = 1;
    const T_MAX: u32 = 26;
    let digit = |value: u32| {
        char::from_digit(value + 10, 36)
            .filter(|_| value < 26)
            .or(char::from_digit(value.wrapping_sub(26), 10))
    };
    let mut out: String = text.chars().filter(char::is_ascii).collect();
    let basic = u32::try_from(out.len()).ok()?;
    if basic > 0 {
        out.push('-');
    }
    let total = u32::try_from(text.chars().count()).ok()?;
    let (mut n, mut delta, mut bias, mut handled) = (128_u32, 0_u32, 72_u32, basic);
    while handled < total {
        let next = text.chars().map(u32::from).filter(|code| *code >= n).min()?;
        delta = delta.checked_add((next - n).checked_mul(handled + 1)?)?;
        n = next;
        for code in text.chars().map(u32::from) {
            if code < n {
                delta = delta.checked_add(1)?;
            }
            if code != n {
                continue;
            }
            let (mut q, mut k) = (delta, BASE);
            loop {
                let t = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
                if q < t {
                    break;
                }
                out.push(digit(t + (q - t) % (BASE - t))?);
                q = (q - t) / (BASE - t);
                k += BASE;
            }
            out.push(digit(q)?);
            bias = adapt(delta, handled + 1, handled == basic);
            delta = 0;
            handled += 1;
        }
        delta = delta.checked_add(1)?;
        n += 1;
    }
    Some(out)
}

fn adapt(delta: u32, count: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / count;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn letters_that_pose_as_latin_stand_out_and_honest_words_do_not() {
        for text in [
            "rm раypal.txt",
            "/usr/bin/сору",
            "сору a b",
            "ｒｍ -rf",
            "𝐫𝐦 x",
            "ls Ꭺ.txt",
            "ΡΑΤΗ=x",
            "cat /etc∕passwd",
            "rm –rf x",
            "ꓡꓢ",
            "ɡit push",
            "a\u{37e}b",
        ] {
            assert!(poses(text), "{text}");
        }
        for text in [
            "echo привет world",
            "größer",
            "日本語 ファイル",
            "λ calculus",
            "ls -l",
            "😀 ok",
            "— …",
            "– a",
            "说明：完成",
            "it’s “so”",
            "ılık",
            "├── a",
        ] {
            assert!(!poses(text), "{text}");
        }
    }

    #[test]
    fn a_host_is_spelled_as_it_is_looked_up() {
        for (text, shown, ascii) in [
            ("curl https://аррӏе.com/x", "аррӏе.com", "xn--80ak6aa92e.com"),
            ("git clone git@münchen.de:a/b", "münchen.de", "xn--mnchen-3ya.de"),
            ("see http://例え。テスト?q", "例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("https://user:pw@BÜCHER.example:80/", "BÜCHER.example", "xn--bcher-kva.example"),
        ] {
            let found = hosts(text);
            assert!(found.contains(&Host { shown: shown.into(), ascii: ascii.into() }), "{text}: {found:?}");
        }
        assert_eq!(hosts("curl https://example.com/ünicode größe.txt a@b"), []);
    }

    #[test]
    fn many_hosts_and_endless_ones_end() {
        let many: String = (0..100).map(|n| format!("http://ä{n}.example ")).collect();
        assert_eq!(hosts(&many).len(), HOSTS_MAX);
        assert_eq!(hosts(&format!("http://{}", "ä".repeat(100_000))), []);
        assert_eq!(hosts(&"http://ä.b ".repeat(1_000)).len(), 1);
    }
}
