//! How does another configuration come into force, and what does it cost what runs?
//!
//! **All of it or nothing.** A file that changed is read whole, by the code a start uses. When it is wrong, nothing has
//! changed: the log, `GET /config` and `ringtail_config_reloads` say so, with file, line and key. When it is right, the
//! first half of the change does everything that can fail *beside* what runs: new sockets are bound, certificates read,
//! files and journals opened, exporters started, and what only a start can change is found out. Only the second half
//! touches what runs, and it cannot fail. The one exception asks each sampler in turn, and puts the old policies back
//! where one of them cannot take its new ones.
//!
//! **Joints.** What holds something for others (a sampler its traces, a batch its items, an exporter its queue, a
//! receiver its connections) keeps its instance, as long as its id stays in its place. What holds nothing (edits,
//! filters, limits) is built anew, which is cheaper than to compare it. So a line is a chain of new stages between old
//! ones, and behind each old one is a joint ([`Link`](crate::flow::Link); [`Front`](crate::flow::Front) behind a receiver)
//! that leads to the next. A joint is one pointer: a request sees the whole old way or the whole new way on from there,
//! and pays two atomic additions for that. No lock is taken, nobody waits for a reload.
//!
//! **From back to front.** Joints are set where the line ends first, so at any moment every way leads to something that
//! takes what comes. An open trace is in no danger: the sampler that holds it stays, and judges it by the policies that
//! are in force at its deadline.
//!
//! **What leaves, leaves in the order of the line.** A removed exporter may be the place where a removed batch wants to
//! put what it promised to deliver, and a request may be on its way through both. So first the receivers that go close;
//! then everything that was handed over a joint before it was set has its answer (each joint counts); samplers judge what
//! they hold when its time comes; batches flush; exporters hand on their queues, for up to ten minutes. That happens in
//! the background. A process that is asked to end meanwhile ends those stages first, in the same order.
//!
//! **A batch is replaced, not changed.** It holds little, and not for long: the old one sends at once what it has, the
//! new one begins empty.
//!
//! | changes | what happens |
//! |---|---|
//! | policies, `decision_wait`, limits of a sampler | the same sampler; open traces, remembered verdicts, counters stay |
//! | keys of an exporter, its endpoint too | the same exporter; what waits in its queue goes where the new keys say |
//! | keys of a receiver | the same listener and connections; another endpoint is bound before the old one closes |
//! | statements, conditions, order of processors | in force with the next request |
//! | pipelines, exporters, receivers, connectors that come | are there with the next request |
//! | those that go | as above |
//! | members | as before, see [`ownership`](super::ownership) |
//! | `num_shards`; `directory` and `compression` of a sampler's journal, its `sync` from or to `never` | need a restart: the reload is refused and names them |
//!
//! A sampler belongs to its pipeline and its id. Under another name it is another sampler: the old one judges what it
//! holds, the new one begins empty, and traces that are open at that moment are judged in two parts.
//!
//! **What makes it read.** A change of any file that was read, `${file:…}` included: renamed over, swapped by a link as
//! Kubernetes does, or written in place. The system's hint only makes us look, and a look every ten seconds does as well;
//! files count once they have stayed the same for a moment, since half a file may well be valid. SIGHUP and `POST /reload`
//! read at once, and the members too. A file that is refused is told once and tried again with every look, for what it
//! failed of may pass: a port that is taken becomes free.
