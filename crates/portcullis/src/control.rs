//! A way for `portcullis pair` to ask the ingress that runs here for a code: a socket in the data directory, which
//! only its owner may enter.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use crate::announce::Ready;
use crate::cli::PairOptions;
use crate::folders;
use crate::outcome::Failure;

/// Longest time for one question.
const QUESTION_TIME: Duration = Duration::from_secs(10);
/// Longest question or answer in bytes: one small JSON line.
const LINE_BYTES_MAX: u64 = 4_096;
/// Questions that wait for an answer.
const QUESTIONS_MAX: usize = 4;
/// What a question for a code says.
const PAIR: &str = "pair";
/// The same, after every device but the bridges was forgotten.
const RESET: &str = "reset-and-pair";

/// A question for a fresh code.
#[derive(Debug)]
pub(crate) struct Question {
    /// Whether every device but the bridges is to be forgotten first.
    pub(crate) forgets_devices: bool,
    pub(crate) answer: oneshot::Sender<Ready>,
}

fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// Listens in `data_dir` for as long as the process lives.
pub(crate) async fn serve(data_dir: &Path) -> Result<mpsc::Receiver<Question>, Failure> {
    let path = path_in(data_dir);
    if UnixStream::connect(&path).await.is_ok() {
        let message = format!("another ingress runs with the data directory {}", data_dir.display());
        return Err(Failure::failed("this one does not start", &anyhow!(message))
            .with_hint("End it, or give another --data-dir and --listen."));
    }
    // Whoever left it does not answer any more.
    let _ = std::fs::remove_file(&path);
    let (questions_in, questions) = mpsc::channel(QUESTIONS_MAX);
    match bind(&path) {
        Ok(listener) => drop(tokio::spawn(answer_all(listener, questions_in))),
        // Paths of sockets are short on some systems; everything else works without.
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "`portcullis pair` will not reach this ingress")
        }
    }
    Ok(questions)
}

fn bind(path: &Path) -> std::io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

async fn answer_all(listener: UnixListener, questions: mpsc::Sender<Question>) {
    while let Ok((stream, _)) = listener.accept().await {
        let questions = questions.clone();
        tokio::spawn(async move {
            match tokio::time::timeout(QUESTION_TIME, answer(stream, questions)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a question on the control socket failed"),
                Err(_) => tracing::debug!("a question on the control socket took too long"),
            }
        });
    }
}

async fn answer(mut stream: UnixStream, questions: mpsc::Sender<Question>) -> anyhow::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut question = String::new();
    BufReader::new(reader.take(LINE_BYTES_MAX)).read_line(&mut question).await?;
    let forgets_devices = match question.trim() {
        PAIR => false,
        RESET => true,
        _ => anyhow::bail!("an unknown question"),
    };
    let (answer_in, answer) = oneshot::channel();
    questions.send(Question { forgets_devices, answer: answer_in }).await?;
    let mut line = serde_json::to_vec(&answer.await?)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    Ok(writer.shutdown().await?)
}

/// `portcullis pair`.
pub(crate) async fn ask(options: PairOptions) -> Result<(), Failure> {
    let data_dir = folders::data_dir(options.data_dir)?;
    let words = if options.local_reset { RESET } else { PAIR };
    let ready = tokio::time::timeout(QUESTION_TIME, question(&data_dir, words)).await;
    let ready = ready.unwrap_or_else(|_| Err(anyhow!("it does not answer"))).map_err(|error| {
        Failure::failed("no ingress runs with this data directory", &error)
            .with_hint("Start one with `portcullis up`, or name its --data-dir.")
    })?;
    let printed = if options.json { ready.print_json() } else { ready.print_text(true) };
    printed.map_err(|error| Failure::failed("the link cannot be printed", &error.into()))
}

async fn question(data_dir: &Path, words: &str) -> anyhow::Result<Ready> {
    let path = path_in(data_dir);
    let mut stream = UnixStream::connect(&path).await.with_context(|| path.display().to_string())?;
    stream.write_all(format!("{words}\n").as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut answer).await?;
    serde_json::from_str(&answer).context("its answer cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_is_answered_and_a_second_ingress_does_not_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut questions = serve(folder.path()).await.unwrap();
        let answering = async {
            let Question { forgets_devices, answer } = questions.recv().await.unwrap();
            assert!(forgets_devices);
            answer.send(Ready::new("http://127.0.0.1:1", "http://127.0.0.1:1", "code".into())).unwrap();
        };
        let (ready, ()) = tokio::join!(question(folder.path(), RESET), answering);
        assert_eq!(ready.unwrap().pair_code, "code");
        assert!(question(folder.path(), "other").await.is_err());
        assert!(serve(folder.path()).await.is_err());
    }

    #[tokio::test]
    async fn a_socket_that_nobody_serves_any_more_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        drop(UnixListener::bind(path_in(folder.path())).unwrap());
        assert!(serve(folder.path()).await.is_ok());
        assert!(question(tempfile::tempdir().unwrap().path(), PAIR).await.is_err());
    }
}
