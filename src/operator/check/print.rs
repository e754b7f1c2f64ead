//! The report for people.

use super::explain::{Explained, Right, Sent, SignIn, TokenTold};
use super::finding::Finding;
use super::report::{FileReport, ObjectReport, Report};

/// The report as text.
pub(super) fn text(report: &Report) -> String {
    let files: String = report.files.iter().map(file).collect();
    format!("{files}{}\n", verdict(report))
}

fn verdict(report: &Report) -> String {
    let objects = || report.files.iter().flat_map(|f| &f.objects);
    let checked = objects().filter(|object| object.checked).count();
    let of_files: usize = report.files.iter().map(|f| f.problems.len()).sum();
    let problems = of_files + objects().map(|object| object.problems.len()).sum::<usize>();
    let warnings: usize = objects().map(|object| object.warnings.len()).sum();
    format!(
        "{}, {}, {}",
        count(checked, "object checked", "objects checked"),
        count(problems, "problem", "problems"),
        count(warnings, "warning", "warnings")
    )
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn file(file: &FileReport) -> String {
    let head = |report: &ObjectReport| format!("{}#{}", file.file, report.document);
    let problems = file
        .problems
        .iter()
        .map(|p| format!("{}: {}\n", file.file, sentence(p)));
    let objects = file.objects.iter().map(|report| object(&head(report), report));
    problems.chain(objects).collect()
}

fn object(place: &str, report: &ObjectReport) -> String {
    let who = format!("{} {}/{}", report.kind, report.namespace, report.name);
    if !report.checked {
        return format!("{place}: {who} is not looked at\n");
    }
    let verdict = if report.problems.is_empty() {
        "is fine"
    } else {
        "is wrong"
    };
    let findings = [("problem", &report.problems), ("warning", &report.warnings)];
    let told: String = findings
        .iter()
        .flat_map(|(kind, all)| {
            all.iter()
                .map(move |one| format!("  {kind}: {}\n", sentence(one)))
        })
        .collect();
    let explained = report.explained.as_ref().map(explanation).unwrap_or_default();
    format!("{place}: {who} {verdict}\n{told}{explained}")
}

fn sentence(finding: &Finding) -> String {
    if finding.path.is_empty() {
        return finding.message.clone();
    }
    format!("{}: {}", finding.path, finding.message)
}

fn explanation(e: &Explained) -> String {
    let sections = [
        section("sends", e.requests.iter().map(request)),
        section("keeps fresh", e.tokens.iter().map(token)),
        section("needs in the namespace", e.objects.iter().cloned()),
        section(
            "must be allowed at the identity provider",
            e.provider.iter().cloned(),
        ),
        section(
            "must be allowed to the operator in the namespace",
            e.rights.iter().map(right),
        ),
        section("the operator's policy", [e.policy.clone()].into_iter()),
    ];
    sign_in(&e.sign_in) + &sections.concat()
}

fn section(title: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<_> = lines.map(|line| format!("    {line}\n")).collect();
    format!("  {title}\n{}", lines.concat())
}

fn sign_in(s: &SignIn) -> String {
    let tenant = Some(&s.tenant).filter(|tenant| !tenant.is_empty());
    let tenant = tenant
        .map(|tenant| format!(", tenant {tenant}"))
        .unwrap_or_default();
    let (host, kind, client_id, client) = (&s.host, &s.kind, &s.client_id, &s.client);
    format!("  signs in at {host} ({kind}){tenant}\n    client {client_id}, {client}\n")
}

fn request(request: &Sent) -> String {
    format!("{} {}\n      {}", request.method, request.url, request.what)
}

fn token(token: &TokenTold) -> String {
    let resource = token
        .resource
        .as_ref()
        .map(|r| format!(" for {r}"))
        .unwrap_or_default();
    format!(
        "Secret {}{resource}\n      scopes {}\n      keys {}",
        token.secret_name,
        token.scopes.join(" "),
        token.keys.join(", ")
    )
}

/// Verbs, then the resource as kubectl writes it.
fn right(right: &Right) -> String {
    let (resource, part) = right.resource.split_once('/').unwrap_or((&right.resource, ""));
    let of = |mark: char, text: &str| {
        if text.is_empty() {
            String::new()
        } else {
            format!("{mark}{text}")
        }
    };
    let name = right.resource_name.as_deref().unwrap_or_default();
    format!(
        "{} {resource}{}{}{}",
        right.verbs.join(", "),
        of('.', &right.api_group),
        of('/', part),
        of(' ', name)
    )
}
