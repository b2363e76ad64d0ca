use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::*;

/// A repository with one commit, and a folder for the bridge's state.
struct Scene {
    folder: tempfile::TempDir,
    session: SessionId,
}

impl Scene {
    fn new() -> Self {
        let scene = Self::without_commit();
        std::fs::create_dir_all(scene.repo().join("sub")).unwrap();
        std::fs::write(scene.repo().join("a.txt"), "a\n").unwrap();
        std::fs::write(scene.repo().join("sub/b.txt"), "b\n").unwrap();
        scene.git(&scene.repo(), "add . && git commit -qm first");
        scene
    }

    fn without_commit() -> Self {
        let scene =
            Self { folder: tempfile::tempdir().unwrap(), session: SessionId::parse("session_1-x").unwrap() };
        std::fs::create_dir(scene.repo()).unwrap();
        std::fs::create_dir(scene.state()).unwrap();
        scene.git(&scene.repo(), "init -q -b main");
        scene
    }

    fn repo(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("repo")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("state")
    }

    /// As a person would, in a shell.
    fn git(&self, directory: &Path, words: &str) -> String {
        let script = format!("git {words}");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).current_dir(directory);
        for (name, value) in [("NAME", "p"), ("EMAIL", "p@example.com")] {
            command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
        }
        command.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_EDITOR", "true")]);
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    async fn take_at(&self, directory: &Path) -> Result<(Worktree, bool), WorktreeError> {
        Worktree::take(&self.state(), &self.session, directory).await
    }

    async fn take(&self) -> Worktree {
        self.take_at(&self.repo()).await.unwrap().0
    }

    async fn settle(&self, tree: &Worktree) -> Fate {
        tree.settle(&self.state(), &self.session).await
    }

    /// What keeps a working tree after `words` were run in it.
    async fn kept_after(&self, words: &str) -> String {
        let tree = self.take().await;
        self.git(tree.root(), words);
        let fate = self.settle(&tree).await;
        assert!(tree.root().exists(), "{fate:?}");
        match fate {
            Fate::Kept(reason) => reason.to_string(),
            Fate::Removed => panic!("removed after {words}"),
        }
    }
}

#[tokio::test]
async fn a_session_works_in_its_own_tree_and_branch_and_nothing_of_them_is_left() {
    let scene = Scene::new();
    let (tree, is_new) = scene.take_at(&scene.repo().join("sub")).await.unwrap();
    assert!(is_new);
    assert_eq!(tree.directory(), scene.state().join("worktrees/session_1-x/sub"));
    assert!(tree.directory().join("b.txt").exists());
    assert_eq!(scene.git(tree.root(), "branch --show-current"), "portcullis/session_1-x");
    assert_eq!(scene.settle(&tree).await, Fate::Removed);
    assert!(!tree.root().exists());
    assert_eq!(scene.git(&scene.repo(), "branch --format='%(refname:short)'"), "main");
    assert_eq!(scene.git(&scene.repo(), "worktree list --porcelain | grep -c ^worktree"), "1");
    assert!(Worktree::sessions(&scene.state()).is_empty(), "nor of the record");
}

#[tokio::test]
async fn after_a_restart_the_session_has_the_same_tree_with_what_was_in_it() {
    let scene = Scene::new();
    let tree = scene.take().await;
    std::fs::write(tree.root().join("new.txt"), "x").unwrap();
    scene.git(&scene.repo(), "commit -q --allow-empty -m later");
    let (again, is_new) = scene.take_at(&scene.repo()).await.unwrap();
    assert_eq!((again, is_new), (tree.clone(), false));
    assert!(tree.root().join("new.txt").exists());
    assert_eq!(Worktree::sessions(&scene.state()), [scene.session.clone()]);
}

#[tokio::test]
async fn a_tree_that_somebody_deleted_is_made_again_on_its_branch() {
    let scene = Scene::new();
    let tree = scene.take().await;
    scene.git(tree.root(), "commit -q --allow-empty -m work");
    let tip = scene.git(tree.root(), "rev-parse HEAD");
    std::fs::remove_dir_all(tree.root()).unwrap();
    let (again, is_new) = scene.take_at(&scene.repo()).await.unwrap();
    assert!(is_new);
    assert_eq!(scene.git(again.root(), "rev-parse HEAD"), tip);
}

#[tokio::test]
async fn a_tree_stays_as_long_as_anything_is_in_it_that_is_nowhere_else() {
    for (words, reason) in [
        ("--version; echo x >> a.txt", "such as a.txt"),
        ("--version; echo x > new.txt", "such as new.txt"),
        ("--version; echo x > new.txt; git add new.txt", "such as new.txt"),
        ("mv a.txt c.txt", "such as"),
        ("--version; echo x > new.txt; git config status.showUntrackedFiles no", "such as new.txt"),
        ("--version; chmod +x a.txt; git config core.fileMode false", "such as a.txt"),
        ("commit -q --allow-empty -m work", "1 of its commits"),
        ("commit -q --allow-empty -m work; git reset -q --hard HEAD~1", "1 of its commits"),
        (
            "checkout -q --detach; git commit -q --allow-empty -m work; git checkout -q portcullis/session_1-x",
            "1 of its commits",
        ),
        ("--version; echo x >> a.txt; git stash -q", "stashed"),
        ("--version; echo x >> a.txt; git stash push -q -m mine", "stashed"),
        ("update-index --assume-unchanged a.txt; echo x >> a.txt", "hidden"),
        ("update-index --skip-worktree a.txt; echo x >> a.txt", "hidden"),
        ("bisect start", "bisection"),
        (
            "checkout -q -b one; echo 1 > a.txt; git commit -qam 1; git checkout -q -b two HEAD~1; echo 2 > a.txt; git commit -qam 2; git rebase -q one",
            "such as a.txt|rebase",
        ),
        (
            "checkout -q -b one; git commit -q --allow-empty -m 1; GIT_SEQUENCE_EDITOR=\"sed -i 1s/pick/edit/\" git rebase -q -i --keep-empty HEAD~1",
            "rebase",
        ),
        ("--version; mv .git elsewhere", "no working tree"),
    ] {
        let scene = Scene::new();
        let said = scene.kept_after(words).await;
        assert!(reason.split('|').any(|reason| said.contains(reason)), "{words}: {said}");
    }
}

#[tokio::test]
async fn commits_that_another_branch_holds_are_not_lost_with_the_tree() {
    let scene = Scene::new();
    let tree = scene.take().await;
    scene.git(tree.root(), "commit -q --allow-empty -m work");
    scene.git(&scene.repo(), "merge -q portcullis/session_1-x");
    assert_eq!(scene.settle(&tree).await, Fate::Removed);
    assert_eq!(scene.git(&scene.repo(), "log -1 --format=%s main"), "work");
}

#[test]
fn no_session_is_named_like_a_flag_a_path_or_a_command_b1_b4() {
    for name in
        ["--dangerously-skip-permissions", "-p", ";rm", "a b", "../x", "$(x)", "a/b", "a.lock", "", "@{-1}"]
    {
        assert!(SessionId::parse(name).is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_detached_head_is_a_place_to_begin_too() {
    let scene = Scene::new();
    scene.git(&scene.repo(), "checkout -q --detach; git commit -q --allow-empty -m beyond");
    let tree = scene.take().await;
    assert_eq!(scene.git(tree.root(), "log -1 --format=%s"), "beyond");
    assert_eq!(scene.settle(&tree).await, Fate::Removed);
}

#[tokio::test]
async fn a_checked_out_submodule_keeps_the_tree_and_an_empty_one_does_not() {
    let scene = Scene::new();
    let add = "-c protocol.file.allow=always submodule --quiet add ./ mod && git commit -qm mod";
    scene.git(&scene.repo(), add);
    let tree = scene.take().await;
    assert_eq!(scene.settle(&tree).await, Fate::Removed);
    let said = scene.kept_after("--version; echo x > mod/file").await;
    assert!(said.contains("submodule mod"), "{said}");
}

#[tokio::test]
async fn where_there_can_be_no_tree_the_reason_is_said() {
    let scene = Scene::without_commit();
    assert!(matches!(scene.take_at(&scene.repo()).await, Err(WorktreeError::NoCommit(_))));
    let plain = tempfile::tempdir().unwrap();
    let plain = plain.path().canonicalize().unwrap();
    assert!(matches!(scene.take_at(&plain).await, Err(WorktreeError::NoRepository(_))));
    let scene = Scene::new();
    let bare = scene.state().join("bare.git");
    scene.git(&scene.repo(), &format!("clone -q --bare . {}", bare.display()));
    assert!(matches!(scene.take_at(&bare).await, Err(WorktreeError::Bare(_))));
    std::fs::create_dir_all(scene.state().join("worktrees/session_1-x")).unwrap();
    std::fs::write(scene.state().join("worktrees/session_1-x/file"), "mine").unwrap();
    assert!(matches!(scene.take_at(&scene.repo()).await, Err(WorktreeError::InTheWay(_))));
    assert!(scene.state().join("worktrees/session_1-x/file").exists());
    scene.git(&scene.repo(), &format!("config core.worktree {}", plain.display()));
    let elsewhere = scene.take_at(&scene.repo()).await;
    assert!(elsewhere.is_err(), "{elsewhere:?}");
}

#[tokio::test]
async fn nothing_that_the_repository_names_as_a_program_is_run_b4() {
    let scene = Scene::new();
    let (repo, mark) = (scene.repo(), scene.state().join("ran"));
    let program = scene.state().join("program");
    std::fs::write(&program, format!("#!/bin/sh\necho \"$0 $*\" >> {}\ncat\n", mark.display())).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let program = program.display();
    std::fs::write(repo.join(".gitattributes"), "*.txt filter=evil diff=evil\n").unwrap();
    scene.git(&repo, "add . && git commit -qm attributes");
    for hook in ["post-checkout", "pre-commit", "reference-transaction", "post-index-change"] {
        std::os::unix::fs::symlink(scene.state().join("program"), repo.join(".git/hooks").join(hook))
            .unwrap();
    }
    for key in [
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.sshCommand",
        "filter.evil.smudge",
        "filter.evil.clean",
        "filter.evil.process",
        "diff.evil.textconv",
        "diff.external",
        "gpg.program",
        "credential.helper",
        "alias.status",
    ] {
        scene.git(&repo, &format!("config {key} {program}"));
    }
    scene.git(&repo, "config filter.evil.required true; git config log.showSignature true");
    let _ = std::fs::remove_file(&mark);
    let tree = scene.take().await;
    assert_eq!(std::fs::read_to_string(tree.root().join("a.txt")).unwrap(), "a\n");
    // A file that looks touched is compared, which would ask the filters.
    std::fs::write(tree.root().join("a.txt"), "a\n").unwrap();
    assert_eq!(scene.settle(&tree).await, Fate::Removed);
    assert_eq!(std::fs::read_to_string(&mark).unwrap_or_default(), "");
}
