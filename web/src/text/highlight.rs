//! Colours for code, by what all common languages have in common: comments, strings, numbers, words that mean something.
//! It knows little and is small; what it does not know stays plain, and the text is never changed.

/// What a piece of code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shade {
    Plain,
    Comment,
    Text,
    Number,
    Word,
    /// A name that is called, or a key.
    Name,
}

impl Shade {
    /// Its class.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Comment => "hl-c",
            Self::Text => "hl-s",
            Self::Number => "hl-n",
            Self::Word => "hl-k",
            Self::Name => "hl-f",
        }
    }
}

/// Longest code that is coloured, in bytes: beyond it colours cost more than they help.
pub const CODE_BYTES_MAX: usize = 32 * 1024;

struct Grammar {
    /// Begins a comment to the end of the line.
    line: &'static str,
    /// Whether `/* … */` is a comment.
    block: bool,
    quotes: &'static str,
    /// Words, between spaces.
    words: &'static str,
}

const C_LIKE: &str = " break case catch class const continue default do else enum export extends false finally for function \
if implements import in instanceof interface let new null return static super switch this throw true try typeof undefined \
var void while yield async await of type private public protected readonly abstract as from package final int long float \
double char boolean bool struct unsigned signed sizeof template typename namespace using virtual override auto ";
const RUST: &str = " as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod \
move mut pub ref return self Self static struct super trait true type unsafe use where while ";
const GO: &str = " break case chan const continue default defer else fallthrough for func go goto if import interface map nil \
package range return select struct switch type var true false ";
const PYTHON: &str = " and as assert async await break class continue def del elif else except False finally for from global if \
import in is lambda None nonlocal not or pass raise return True try while with yield self ";
const SHELL: &str = " if then else elif fi for while do done case esac in function return exit export local set unset cd echo \
sudo source alias ";
const SQL: &str = " select from where and or not null insert into values update set delete create table drop alter join left \
right inner outer on group by order limit having distinct as primary key references index union all exists between like is ";
const DATA: &str = " true false null yes no on off ";

fn grammar(language: &str) -> Option<Grammar> {
    let (line, block, quotes, words) = match language.to_ascii_lowercase().as_str() {
        "rust" | "rs" => ("//", true, "\"", RUST),
        "js" | "jsx" | "ts" | "tsx" | "javascript" | "typescript" | "mjs" | "java" | "c" | "h" | "cpp"
        | "cc" | "c++" | "hpp" | "cs" | "csharp" | "kotlin" | "kt" | "swift" | "php" | "dart" | "scala" => {
            ("//", true, "\"'`", C_LIKE)
        }
        "go" | "golang" => ("//", true, "\"'`", GO),
        "py" | "python" | "rb" | "ruby" => ("#", false, "\"'", PYTHON),
        "sh" | "bash" | "zsh" | "shell" | "console" | "dockerfile" | "make" | "makefile" => {
            ("#", false, "\"'", SHELL)
        }
        "sql" => ("--", true, "'\"", SQL),
        "json" | "jsonc" => ("//", true, "\"", DATA),
        "toml" | "yaml" | "yml" | "ini" => ("#", false, "\"'", DATA),
        "css" | "scss" => ("\u{0}", true, "\"'", ""),
        _ => return None,
    };
    Some(Grammar { line, block, quotes, words })
}

/// Cuts `code` into pieces; one plain piece where the language is not known or the code is too long.
#[must_use]
pub fn shades<'a>(language: &str, code: &'a str) -> Vec<(Shade, &'a str)> {
    let Some(grammar) = grammar(language).filter(|_| code.len() <= CODE_BYTES_MAX) else {
        return vec![(Shade::Plain, code)];
    };
    let mut pieces: Vec<(Shade, &str)> = Vec::new();
    let (mut at, mut plain_from) = (0, 0);
    while let Some(character) = code[at..].chars().next() {
        let (shade, len) = piece(&grammar, &code[at..], character, code[..at].chars().next_back());
        if shade != Shade::Plain {
            if plain_from < at {
                pieces.push((Shade::Plain, &code[plain_from..at]));
            }
            pieces.push((shade, &code[at..at + len]));
            plain_from = at + len;
        }
        at += len;
    }
    if plain_from < code.len() {
        pieces.push((Shade::Plain, &code[plain_from..]));
    }
    pieces
}

/// What begins at `rest`, and how many bytes of it.
fn piece(grammar: &Grammar, rest: &str, first: char, before: Option<char>) -> (Shade, usize) {
    let line_end = || rest.find('\n').unwrap_or(rest.len());
    // In a shell, `$#` and `a#b` are no comments.
    let begins = grammar.line != "#" || before.is_none_or(char::is_whitespace);
    if rest.starts_with(grammar.line) && begins {
        return (Shade::Comment, line_end());
    }
    if grammar.block && rest.starts_with("/*") {
        return (Shade::Comment, rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    if grammar.quotes.contains(first) {
        return (Shade::Text, quoted(rest, first));
    }
    if first.is_ascii_digit() {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_');
        return (Shade::Number, end.unwrap_or(rest.len()));
    }
    if first.is_alphabetic() || first == '_' {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let word = &rest[..end];
        let lower = word.to_ascii_lowercase();
        let known = if std::ptr::eq(grammar.words, SQL) { lower.as_str() } else { word };
        let shade = match rest[end..].trim_start_matches(' ').chars().next() {
            _ if means(grammar.words, known) => Shade::Word,
            Some('(') => Shade::Name,
            Some('=' | ':') if std::ptr::eq(grammar.words, DATA) => Shade::Name,
            _ => Shade::Plain,
        };
        return (shade, end);
    }
    (Shade::Plain, first.len_utf8())
}

fn means(words: &str, word: &str) -> bool {
    words.match_indices(word).any(|(at, _)| {
        let bytes = words.as_bytes();
        at > 0 && bytes[at - 1] == b' ' && bytes.get(at + word.len()) == Some(&b' ')
    })
}

/// Bytes of a string that begins with `quote`: to its end, to the end of the line where that cannot hold one, or of all.
fn quoted(rest: &str, quote: char) -> usize {
    let triple: String = [quote; 3].iter().collect();
    if rest.starts_with(&triple) {
        return rest[3..].find(&triple).map_or(rest.len(), |end| end + 6);
    }
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\n' if quote != '`' => return at,
            _ if character == quote => return at + quote.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaded(language: &str, code: &str) -> String {
        let pieces = shades(language, code);
        let whole: String = pieces.iter().map(|(_, text)| *text).collect();
        assert_eq!(whole, code, "not a letter is lost");
        let piece = |(shade, text): &(Shade, &str)| {
            let name = shade.class().trim_start_matches("hl-");
            if *shade == Shade::Plain { (*text).to_owned() } else { format!("⟨{name}:{text}⟩") }
        };
        pieces.iter().map(piece).collect()
    }

    #[test]
    fn knows_what_common_languages_have_in_common() {
        assert_eq!(
            shaded("rust", "let x = f(\"a\\\"b\", 1_0); // end\nletter"),
            "⟨k:let⟩ x = ⟨f:f⟩(⟨s:\"a\\\"b\"⟩, ⟨n:1_0⟩); ⟨c:// end⟩\nletter"
        );
        assert_eq!(shaded("py", "def f(): # x\n  '''a\nb'''"), "⟨k:def⟩ ⟨f:f⟩(): ⟨c:# x⟩\n  ⟨s:'''a\nb'''⟩");
        assert_eq!(shaded("sh", "echo $# \"a#b\""), "⟨k:echo⟩ $# ⟨s:\"a#b\"⟩");
        assert_eq!(shaded("SQL", "SELECT 1 -- x"), "⟨k:SELECT⟩ ⟨n:1⟩ ⟨c:-- x⟩");
        assert_eq!(shaded("toml", "a = true"), "⟨f:a⟩ = ⟨k:true⟩");
        assert_eq!(shaded("brainfuck", "let 1"), "let 1");
    }

    #[test]
    fn loses_nothing_of_what_is_odd_and_ends() {
        for code in
            ["\"", "'''", "/*", "`a\nb", "é\"ü", "\\", "9é", "\"\\", "//", "#", "x\u{202e}y(\"", "''''"]
        {
            for language in ["rust", "js", "py", "sh", "sql", "json", "css", "toml", "go", "?"] {
                let _ = shaded(language, code);
            }
        }
        let _ = shaded("js", &"\"".repeat(30_001));
        assert_eq!(shades("js", &"1 ".repeat(CODE_BYTES_MAX)).len(), 1);
    }
}
