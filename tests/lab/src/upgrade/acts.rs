//! What happens: the earlier version fills everything, this one takes it over, and gives it back.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Error;
use super::before::Before;
use super::cast::{FIRST, INTERRUPTED, LATER, LATER_INTERRUPTED, RESTORED, Role, Stands};
use super::eyes::Eyes;
use super::fill::{SOON, is_fresh};
use super::judge::{Evidence, Row};
use super::scene::{LIFE, Scene};
use super::stored::{self, Form};
use crate::demo::screen::{Paint, Screen};
use crate::stage::{Operator, repository};

/// Under which name the present form is kept.
const NOW: &str = "unreleased";

/// How long the other version is watched: an interrupted sign-in is taken over after a minute.
const WATCHED: Duration = Duration::from_secs(4 * LIFE);

/// Longest until a login Secret is deleted that was there before: such ones are deleted once a minute.
const ONCE_A_MINUTE: Duration = Duration::from_secs(90);

/// The play so far.
pub(super) struct Play<'a> {
    screen: &'a Screen,
    scene: &'a Scene,
    logs: Option<PathBuf>,
    broken: Vec<String>,
}

impl<'a> Play<'a> {
    pub(super) const fn new(screen: &'a Screen, scene: &'a Scene, logs: Option<PathBuf>) -> Self {
        Self {
            screen,
            scene,
            logs,
            broken: Vec::new(),
        }
    }

    /// Plays it all.
    pub(super) async fn run(
        mut self,
        before: &Before,
        now: &Path,
        store: Option<&Path>,
    ) -> Result<(), Error> {
        let scene = self.scene;
        self.act("the version before fills a control plane")?;
        let mut operator = scene.operator(before.program(), "before").await?;
        let filled = scene.fill(&FIRST).await;
        self.keep_log(&operator, "1-before")?;
        filled?;
        let backup = scene.back_up(&RESTORED).await?;

        self.act("the manifests of this version come, and the version before is killed in a sign-in")?;
        scene.stage.install(&repository())?;
        scene.interrupt(&INTERRUPTED, &mut operator).await?;
        self.keep_log(&operator, "1-before")?;
        let first = Form::take(scene, before.commit(), &FIRST)?;
        self.act("this version takes over")?;
        let (mut operator, evidence) = self.watch(now, "now", &FIRST).await?;
        self.keep_log(&operator, "2-now")?;
        self.judge(&evidence, &FIRST)?;
        scene.restore(&RESTORED, backup).await?;
        self.nothing_sent(&evidence, "a backup of the version before came back")?;
        stored::write(store, first, &evidence)?;

        self.act("others sign in at this version")?;
        let later = scene.fill(&LATER).await;
        self.keep_log(&operator, "2-now")?;
        later?;
        let backup = scene.back_up(&RESTORED).await?;

        self.act("the manifests of the version before come back, and this one is killed in a sign-in")?;
        // What the version before has not got is no part of its manifests.
        let policies = [
            "delete",
            "validatingadmissionpolicybindings",
            "--selector",
            "app.kubernetes.io/name=entra-operator",
        ];
        scene.stage.kubectl(&policies, None)?;
        scene.stage.install(before.tree())?;
        scene.interrupt(&LATER_INTERRUPTED, &mut operator).await?;
        self.keep_log(&operator, "2-now")?;
        let all: Vec<Role> = FIRST.iter().map(Role::taken_over).chain(LATER).collect();
        let today = Form::take(scene, NOW, &all)?;
        self.act("the version before gets it back")?;
        let (operator, evidence) = self.watch(before.program(), "before-again", &all).await?;
        self.keep_log(&operator, "3-before-again")?;
        self.judge(&evidence, &all)?;
        scene.restore(&RESTORED, backup).await?;
        self.nothing_sent(&evidence, "a backup of this version came back")?;
        stored::write(store, today, &evidence)?;
        self.finish()
    }

    fn act(&self, text: &str) -> Result<(), Error> {
        Ok(self.screen.change("lane", text, Paint::Strong)?)
    }

    /// Starts the other version, creates used logins again, and looks on for some lives.
    async fn watch(
        &self,
        program: &Path,
        identity: &str,
        roles: &[Role],
    ) -> Result<(Operator, Evidence), Error> {
        let scene = self.scene;
        let mut evidence = Evidence::begin(scene, roles).await?;
        let begun = Instant::now();
        let operator = scene.operator(program, identity).await?;
        let eyes = Eyes::open(scene.secrets());
        let used = |role: &&Role| matches!(role.stands, Stands::Accepted | Stands::Condemned);
        // Of sixteen contents the oldest: it must not be forgotten.
        for role in roles.iter().filter(used) {
            let oldest = role.contents().into_iter().next();
            let login = oldest.map(|content| role.login_with(&content));
            self.scene.apply(login.as_slice())?;
        }
        let outcome = async {
            for role in roles.iter().filter(used) {
                let (what, left) = (
                    "the used login goes",
                    ONCE_A_MINUTE.saturating_sub(begun.elapsed()),
                );
                match scene.until(role, what, left, |seen| !seen.login).await {
                    // The table tells of it.
                    Ok(()) | Err(Error::Late { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            tokio::time::sleep(WATCHED.saturating_sub(begun.elapsed())).await;
            for role in roles.iter().filter(|role| role.stands == Stands::InFlight) {
                scene
                    .until(role, "the interrupted sign-in is done", SOON, is_fresh)
                    .await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = outcome.await {
            self.keep_log(&operator, identity)?;
            return Err(error);
        }
        evidence.end(scene, roles, eyes.tokens()).await?;
        Ok((operator, evidence))
    }

    /// Prints the table and remembers what does not hold.
    fn judge(&mut self, evidence: &Evidence, roles: &[Role]) -> Result<(), Error> {
        self.screen.plain(Row::HEAD)?;
        for role in roles {
            let row = evidence.row(role);
            self.screen.plain(&row.text())?;
            self.broken.extend(row.broken);
        }
        Ok(self.screen.plain(&evidence.figures())?)
    }

    fn nothing_sent(&mut self, evidence: &Evidence, what: &str) -> Result<(), Error> {
        let sends = evidence.sends_until_now(self.scene, &RESTORED);
        let text = format!("{what}: {sends} passwords sent");
        self.screen.plain(&text)?;
        if sends > 0 {
            self.broken.push(text);
        }
        Ok(())
    }

    fn keep_log(&self, operator: &Operator, name: &str) -> Result<(), Error> {
        let Some(directory) = &self.logs else {
            return Ok(());
        };
        let file = directory.join(format!("{name}.log"));
        fs::create_dir_all(directory)
            .and_then(|()| fs::write(&file, operator.log()))
            .map_err(Error::io(format!("write {}", file.display())))
    }

    fn finish(self) -> Result<(), Error> {
        if self.broken.is_empty() {
            let text = format!("Everything held. {:.0} s in all.", self.screen.seconds());
            return Ok(self.screen.plain(&text)?);
        }
        Err(Error::Broken(self.broken))
    }
}
