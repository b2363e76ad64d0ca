//! Where a path really leads. Permission is about the file that would be touched, so symbolic links are followed
//! before anybody is asked, also for files that do not exist yet.

use std::path::{Component, Path, PathBuf};

/// The canonical path of `given` seen from `cwd`; only the part that does not exist yet is taken literally.
pub(super) fn resolve(cwd: &Path, given: &str) -> Result<PathBuf, String> {
    if given.is_empty() || given.contains('\0') {
        return Err(format!("InputValidationError: {given:?} is not a path"));
    }
    let full = cwd.join(given);
    let mut existing = full.as_path();
    let mut missing = Vec::new();
    loop {
        if let Ok(mut resolved) = existing.canonicalize() {
            resolved.extend(missing.iter().rev());
            return Ok(resolved);
        }
        // A link that leads nowhere yet would be followed by the write.
        if existing.is_symlink() {
            return Err(format!("{given} is a symbolic link that leads nowhere"));
        }
        match (existing.components().next_back(), existing.parent()) {
            (Some(Component::Normal(name)), Some(parent)) => {
                missing.push(name);
                existing = parent;
            }
            (_, _) => return Err(format!("{given} leads through a directory that does not exist")),
        }
    }
}

/// The path as people say it: relative to `cwd` where it is below it.
pub(super) fn relative(cwd: &Path, given: &str) -> String {
    Path::new(given).strip_prefix(cwd).map_or_else(|_| given.to_owned(), |short| short.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn follows_links_out_of_the_directory_and_keeps_new_files_inside() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        let project = root.join("project");
        std::fs::create_dir(&project).unwrap();
        symlink(&root, project.join("out")).unwrap();
        symlink(root.join("not-yet"), project.join("dangling")).unwrap();

        assert_eq!(resolve(&project, "new/deep.txt").unwrap(), project.join("new/deep.txt"));
        assert_eq!(resolve(&project, "out/x").unwrap(), root.join("x"));
        assert_eq!(resolve(&project, "../y").unwrap(), root.join("y"));
        assert_eq!(resolve(&project, "/etc").unwrap(), Path::new("/etc"));
        for refused in ["dangling", "no/../../up", "", "a\0b"] {
            assert!(resolve(&project, refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn shortens_only_what_is_below() {
        assert_eq!(relative(Path::new("/p"), "/p/a/b"), "a/b");
        assert_eq!(relative(Path::new("/p"), "/q/a"), "/q/a");
    }
}
