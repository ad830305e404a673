use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::core::{Digest, Name, Span, Stamp, TeamName, UserName};

fn team() -> TeamName {
    TeamName::parse("t").expect("a name")
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a date")
}

fn person(name: &str) -> Actor {
    Actor::human(&UserName::parse(name).expect("a name"), Proof::Shell)
}

const HERE: Standing = Standing { is_lead: false, lead_may_decide: true, least: Proof::Shell };

fn asked(quorum: u32, reject_quorum: u32, on_timeout: OnTimeout) -> Approval {
    let mut new = NewApproval::new(Actor::agent("w1").into(), "ship", "Ship it", "it is ready");
    new.approvers =
        ["human", "w1", "w2", "human:ann"].map(|text| text.parse().expect("an approver")).to_vec();
    (new.quorum, new.reject_quorum) = (quorum, reject_quorum);
    (new.timeout, new.on_timeout) = (Some(Span::seconds(60)), on_timeout);
    let id = Name::parse("ap-1").expect("a name");
    new.make(id, &team(), &std::collections::BTreeMap::new(), start()).expect("it can be asked")
}

/// Something that somebody tries.
#[derive(Debug, Clone)]
enum Try {
    Answer(Actor, Verdict),
    Cancel(Actor),
    Invalidate,
    Escalate(Actor),
    Consume(u8),
    Wait(i64),
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let actor = prop_oneof![
        Just(person("ann")),
        Just(person("ben")),
        Just(Actor::agent("w1")),
        Just(Actor::agent("w2")),
        Just(Actor::agent("stranger")),
    ];
    let verdict = prop_oneof![
        3 => Just(Verdict::Approve),
        1 => Just(Verdict::Reject),
        1 => Just(Verdict::Abstain),
    ];
    let one = prop_oneof![
        6 => (actor.clone(), verdict).prop_map(|(actor, verdict)| Try::Answer(actor, verdict)),
        1 => actor.clone().prop_map(Try::Cancel),
        1 => Just(Try::Invalidate),
        1 => actor.prop_map(Try::Escalate),
        2 => (0_u8..3).prop_map(Try::Consume),
        // The clock goes back, too.
        2 => (-30_i64..40).prop_map(Try::Wait),
    ];
    prop::collection::vec(one, 0..24)
}

fn change(approval: &Approval, one: &Try, now: DateTime<Utc>) -> Option<Change> {
    if let Some(change) = due(approval, now) {
        return Some(change);
    }
    match one {
        Try::Answer(actor, verdict) => {
            let answer = Answer { verdict: *verdict, comment: "because".into(), sig: None };
            decide(approval, &answer, actor, HERE, now).ok()
        }
        Try::Cancel(actor) => cancel(approval, actor, "because", now).ok(),
        Try::Invalidate => invalidate(approval, &Actor::system("changed"), "because").ok(),
        Try::Escalate(actor) => escalate(approval, actor, &Approver::Human, "", None, now).ok(),
        Try::Consume(by) => consume(approval, &format!("gate{by}"), now).ok().flatten(),
        Try::Wait(_) => None,
    }
}

/// What must be true of every step from `before` to `after`.
fn check(before: &Approval, after: &Approval) -> Result<(), TestCaseError> {
    use Status::{Approved, Cancelled, Pending};
    if before.status != after.status {
        let legal =
            before.status == Pending || (before.status, after.status) == (Approved, Cancelled);
        prop_assert!(legal, "{:?} became {:?}", before.status, after.status);
    }
    prop_assert!(after.consumed_by.len() <= 1);
    if after.consumed_by.len() > before.consumed_by.len() {
        prop_assert_eq!(before.status, Approved);
    }
    let mut people: Vec<&str> = after.decisions.iter().map(|d| d.actor.as_str()).collect();
    prop_assert!(!people.contains(&"agent:w1"), "the requester has decided");
    prop_assert!(!people.contains(&"agent:stranger"));
    people.sort_unstable();
    let all = people.len();
    people.dedup();
    prop_assert_eq!(people.len(), all, "somebody has answered twice");
    let by_itself = after.decisions.iter().any(|d| d.kind == ActorKind::Policy);
    if after.status == Approved && !by_itself {
        prop_assert!(after.count(Verdict::Approve) >= after.quorum as usize);
    }
    if after.status == Pending {
        prop_assert!(after.count(Verdict::Approve) < after.quorum as usize);
        prop_assert!(after.count(Verdict::Reject) < after.reject_quorum as usize);
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_sequence_of_tries_breaks_a_rule(
        quorum in 1_u32..4,
        reject_quorum in 1_u32..3,
        on_timeout in prop_oneof![
            Just(OnTimeout::Expire),
            Just(OnTimeout::Approve),
            Just(OnTimeout::Escalate(Approver::Lead)),
            Just(OnTimeout::Nothing),
        ],
        tries in tries(),
    ) {
        let mut approval = asked(quorum, reject_quorum, on_timeout);
        let request = Change::Requested { approval: Box::new(approval.clone()) };
        let mut records =
            vec![Record { rev: 1, at: approval.created_at.clone(), change: request }];
        let (mut clock, mut now) = (start(), start());
        for one in &tries {
            if let Try::Wait(seconds) = one {
                clock += TimeDelta::seconds(*seconds);
            }
            now = now.max(clock);
            let Some(change) = change(&approval, one, now) else { continue };
            let before = approval.clone();
            let record = Record { rev: approval.rev + 1, at: Stamp::at(now), change };
            approval.apply(&record).expect("a rule allowed it");
            records.push(record);
            check(&before, &approval)?;
        }
        // The journal gives the same approval.
        let lines: Vec<serde_json::Value> =
            records.iter().map(|r| serde_json::to_value(r).expect("JSON")).collect();
        let (replayed, _) = replay(&lines).expect("it is legal").expect("it was asked for");
        prop_assert_eq!(replayed, approval);
    }
}

fn record(rev: u64, change: Change) -> serde_json::Value {
    let at = Stamp::at(start());
    serde_json::to_value(Record { rev, at, change }).expect("JSON")
}

#[test]
fn a_journal_cannot_tell_of_what_the_rules_forbid() {
    let approval = asked(1, 1, OnTimeout::Expire);
    let request =
        |approval: &Approval| record(1, Change::Requested { approval: Box::new(approval.clone()) });
    let used = |rev| record(rev, Change::Consumed { by: "x".into() });
    let decided = Approval { status: Status::Approved, ..approval.clone() };
    assert!(replay(&[request(&decided)]).is_err(), "decided when it was asked for");
    assert!(replay(&[used(1)]).is_err(), "nothing was asked for");
    assert!(replay(&[request(&approval), used(2)]).is_err(), "nobody has decided");
    let expired = || record(2, Change::Expired {});
    let cancelled = record(3, Change::Cancelled { by: "x".into(), reason: String::new() });
    assert!(replay(&[request(&approval), expired(), cancelled]).is_err(), "it has ended");
    assert!(replay(&[request(&approval), request(&approval)]).is_err(), "asked for twice");
    let late = record(3, Change::Expired {});
    assert!(replay(&[request(&approval), late]).is_err(), "a record is missing");
    assert!(replay(&[request(&approval), expired()]).is_ok());
}

#[test]
fn what_is_approved_is_bound_to_its_content() {
    let approval = asked(1, 1, OnTimeout::Expire);
    let bound = approval.bound.clone().expect("it is bound");
    let same = Present { bound: Some(bound.clone()), ..Present::default() };
    assert_eq!(void(&approval, &same), None);
    let revised = Bound { revision: 1, ..bound.clone() };
    let other = Bound { digest: Digest::of(b"other"), ..bound };
    for bound in [revised, other] {
        let present = Present { bound: Some(bound), ..Present::default() };
        assert!(void(&approval, &present).is_some());
    }
    let mut about = approval;
    about.valid_for_revision.insert("1".into(), Digest::of(b"task"));
    let gone = [("1".to_owned(), None)].into();
    assert!(void(&about, &Present { bound: None, tasks: gone }).is_some(), "the task is gone");
}

#[test]
fn a_signature_holds_for_one_answer_to_one_request() {
    let secret = signature::Secret::from_seed(&[7; 32]);
    let public = secret.public();
    let approval = asked(1, 1, OnTimeout::Expire);
    let signed = secret.sign(&approval, Verdict::Approve, "good");
    let holds =
        |approval: &Approval, verdict, comment| public.holds(&signed, approval, verdict, comment);
    assert!(holds(&approval, Verdict::Approve, "good"));
    assert!(!holds(&approval, Verdict::Reject, "good"));
    assert!(!holds(&approval, Verdict::Approve, "bad"));
    let mut other = approval.clone();
    other.id = Name::parse("ap-2").expect("a name");
    assert!(!holds(&other, Verdict::Approve, "good"));
    let mut other = approval.clone();
    other.bound = Some(Bound { digest: Digest::of(b"other"), revision: 0 });
    assert!(!holds(&other, Verdict::Approve, "good"));
    let stranger = signature::Secret::from_seed(&[8; 32]).public();
    assert!(!stranger.holds(&signed, &approval, Verdict::Approve, "good"));

    let text = secret.text();
    let back = signature::Secret::parse(&text).expect("it reads back");
    assert_eq!(back.public(), public);
    assert_eq!(signature::Public::parse(&public.text()), Some(public));
    assert!(signature::Secret::parse("clawteam-ed25519-secret 00").is_none());
}

#[test]
fn approvers_read_back() {
    for text in ["any", "human", "human:ann", "agent:w1", "lead"] {
        let approver: Approver = text.parse().expect("an approver");
        assert_eq!(approver.to_string(), text);
    }
    let bare: Approver = "w1".parse().expect("an approver");
    assert_eq!(bare.to_string(), "agent:w1");
    for text in ["", "human:", "agent:a/b", "a b"] {
        assert!(text.parse::<Approver>().is_err(), "{text:?} was taken");
    }
}
