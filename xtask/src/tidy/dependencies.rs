//! Who may depend on whom.

use serde_json::Value;

use super::Finding;
use crate::checkout::Checkout;

/// A member of the workspace and what its manifest asks for.
#[derive(Debug)]
pub(crate) struct Package {
    name: String,
    manifest: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug)]
struct Dependency {
    name: String,
    for_tests: bool,
}

const PROTOCOL: &str = "portcullis-protocol";
const TESTKIT: &str = "portcullis-testkit";
const TESTS: &str = "portcullis-tests";
const WIRED: &str = "portcullis-wired";

/// Our own crates that each of ours may import in what it ships.
const DIRECTION: [(&str, &[&str]); 14] = [
    (PROTOCOL, &[]),
    ("portcullis-acp", &[PROTOCOL]),
    ("portcullis-agent", &[PROTOCOL]),
    ("portcullis-bridge", &[PROTOCOL]),
    ("portcullis-ingress", &[PROTOCOL]),
    ("portcullis-web", &[PROTOCOL]),
    (TESTKIT, &[PROTOCOL]),
    (
        "portcullis",
        &[PROTOCOL, "portcullis-acp", "portcullis-agent", "portcullis-bridge", "portcullis-ingress"],
    ),
    (TESTS, &[PROTOCOL, TESTKIT]),
    (WIRED, &[PROTOCOL, TESTKIT]),
    ("portcullis-agents-tests", &[PROTOCOL, TESTKIT, WIRED]),
    ("portcullis-bench-web", &[PROTOCOL, WIRED]),
    // The machines themselves, on simulated ground.
    ("portcullis-sim", &[PROTOCOL, "portcullis-bridge", "portcullis-ingress"]),
    ("xtask", &[]),
];

/// Crates of others that only some of ours may import, and why.
const KEPT_IN: [(&str, &[&str], &str); 6] = [
    ("sqlx", &["portcullis-ingress"], "only the ingress has a store"),
    ("axum", &["portcullis-ingress", TESTKIT], "only the ingress serves"),
    ("leptos", &["portcullis-web"], "only the web client draws"),
    ("web-sys", &["portcullis-web"], "only the web client sees a browser"),
    ("gloo-net", &["portcullis-web"], "only the web client sees a browser"),
    ("js-sys", &["portcullis-web"], "only the web client sees a browser"),
];

/// What the pure crate takes as arguments instead.
const IMPURE: [&str; 8] = ["tokio", "reqwest", "rand", "getrandom", "uuid", "chrono", "time", "jiff"];

pub(crate) fn packages(checkout: &Checkout) -> Vec<Package> {
    checkout.packages().iter().filter_map(|package| read(package, checkout)).collect()
}

fn read(package: &Value, checkout: &Checkout) -> Option<Package> {
    let manifest = std::path::Path::new(package["manifest_path"].as_str()?);
    let manifest = manifest.strip_prefix(checkout.root()).unwrap_or(manifest).to_string_lossy().into_owned();
    let dependencies = package["dependencies"].as_array()?.iter();
    let dependencies = dependencies
        .filter_map(|dependency| {
            Some(Dependency {
                name: dependency["name"].as_str()?.to_owned(),
                for_tests: dependency["kind"] == "dev",
            })
        })
        .collect();
    Some(Package { name: package["name"].as_str()?.to_owned(), manifest, dependencies })
}

pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    let ours = |name: &str| packages.iter().any(|package| package.name == name);
    let mut findings = Vec::new();
    for package in packages {
        let mut report = |message: String| {
            findings.push(Finding { path: package.manifest.clone(), line: 0, message });
        };
        let Some((_, allowed)) = DIRECTION.iter().find(|(name, _)| *name == package.name) else {
            report(format!("{} has no place in the direction of imports: give it one", package.name));
            continue;
        };
        for Dependency { name, for_tests } in &package.dependencies {
            let tests_with_the_kit = *for_tests && name == TESTKIT;
            if ours(name) && !allowed.contains(&name.as_str()) && !tests_with_the_kit {
                report(format!("{} must not import {name}", package.name));
            }
            if let Some((_, places, why)) = KEPT_IN.iter().find(|(kept, _, _)| kept == name)
                && !places.contains(&package.name.as_str())
            {
                report(format!("{} must not import {name}: {why}", package.name));
            }
            if package.name == PROTOCOL && !for_tests && IMPURE.contains(&name.as_str()) {
                report(format!(
                    "{PROTOCOL} must not import {name}: it has no IO, no clock and no randomness"
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[&str], for_tests: bool) -> Package {
        let dependencies =
            dependencies.iter().map(|name| Dependency { name: (*name).to_owned(), for_tests }).collect();
        Package { name: name.to_owned(), manifest: format!("{name}/Cargo.toml"), dependencies }
    }

    fn messages(package_under_test: Package) -> Vec<String> {
        let mut packages: Vec<_> = DIRECTION.iter().map(|(name, _)| package(name, &[], false)).collect();
        packages.retain(|other| other.name != package_under_test.name);
        packages.push(package_under_test);
        check(&packages).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn the_protocol_imports_nothing_of_ours() {
        assert_eq!(messages(package(PROTOCOL, &[TESTKIT], false)).len(), 1);
        assert_eq!(messages(package(PROTOCOL, &["serde"], false)), [""; 0]);
    }

    #[test]
    fn the_parts_never_import_one_another() {
        for part in ["portcullis-agent", "portcullis-bridge", "portcullis-ingress", "portcullis-web"] {
            let others = ["portcullis-agent", "portcullis-bridge", "portcullis-ingress", "portcullis-web"];
            for other in others.iter().filter(|other| **other != part) {
                assert_eq!(messages(package(part, &[other], false)).len(), 1, "{part} imports {other}");
                assert_eq!(messages(package(part, &[other], true)).len(), 1, "{part}'s tests import {other}");
            }
            assert_eq!(messages(package(part, &[PROTOCOL], false)), [""; 0]);
        }
    }

    #[test]
    fn the_test_kit_is_for_tests_alone() {
        assert_eq!(messages(package("portcullis-ingress", &[TESTKIT], false)).len(), 1);
        assert_eq!(messages(package("portcullis-ingress", &[TESTKIT], true)), [""; 0]);
    }

    #[test]
    fn a_database_and_a_server_stay_in_the_ingress() {
        assert_eq!(messages(package("portcullis-bridge", &["sqlx", "axum"], false)).len(), 2);
        assert_eq!(messages(package("portcullis-ingress", &["sqlx", "axum"], false)), [""; 0]);
    }

    #[test]
    fn the_protocol_has_no_clock_and_no_randomness() {
        assert_eq!(messages(package(PROTOCOL, &["rand", "tokio"], false)).len(), 2);
        assert_eq!(messages(package(PROTOCOL, &["rand"], true)), [""; 0]);
    }

    #[test]
    fn a_new_package_needs_a_place() {
        assert_eq!(messages(package("portcullis-extra", &[], false)).len(), 1);
    }
}
