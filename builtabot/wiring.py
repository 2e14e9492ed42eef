"""The map of the product on one screen: which event reaches which listener, which work wakes which task,
and who answers the questions that an app asks to its right."""

from __future__ import annotations


def bind() -> None:
    """Fill every table. Runs once in each process, when the apps are ready."""
    _bind_events()
    _bind_work()
    _bind_answers()


def _bind_events() -> None:
    """Who hears what."""
    from builtabot import metrics
    from chat import events as chat
    from chat import listeners as on_chat
    from insights import listeners as on_insights
    from knowledge import events as knowledge
    from knowledge import listeners as on_knowledge
    from livesupport import events as livesupport
    from livesupport import listeners as on_live
    from livesupport import notify
    from livesupport.slack import listeners as on_slack
    from tenants import events
    from tenants import listeners as on_tenants
    from tenants.workspace import listeners as on_workspace

    events.bind(
        within={  # in the same transaction: they only insert rows
            chat.AnswerGiven: [on_insights.note_gap],
            knowledge.SourceAdded: [on_insights.on_source_added],
            knowledge.CrawlFinished: [on_insights.on_crawl_finished],
            chat.SeatSeen: [on_live.on_seat_seen],
            chat.ContactLeft: [on_live.on_contact_left, notify.on_contact_left],
            chat.HandoffRequested: [
                on_live.on_handoff_requested,
                on_slack.on_handoff_requested,
                notify.on_handoff_requested,
            ],
            chat.ConversationClaimed: [on_live.on_conversation_claimed],
            chat.HandoffStanding: [on_slack.on_handoff_standing, notify.on_handoff_standing],
            chat.MessagePosted: [on_slack.on_message_posted],
        },
        after={  # once committed: nudges; losing one loses nothing
            chat.MessagePosted: [on_chat.nudge_sockets, metrics.count],
            chat.TurnQueued: [on_chat.watch_turn, on_chat.enqueue_turn],
            knowledge.CrawlQueued: [on_knowledge.enqueue_crawl],
            chat.VisitorHeard: [on_chat.enqueue_mood],
            chat.MoodNoted: [on_chat.nudge_desk],
            livesupport.RehearsalStarted: [on_live.enqueue_rehearsal],
            events.ExternalEventKept: [on_tenants.enqueue_external],
            events.OutboxPosted: [on_workspace.enqueue_delivery, metrics.count],
            chat.AnswerGiven: [metrics.count],
            chat.HandoffRequested: [metrics.count],
            chat.ConversationClaimed: [metrics.count],
            chat.ConversationReleased: [metrics.count],
            chat.ConversationResolved: [metrics.count],
        },
    )


def _bind_work() -> None:
    """Which task does what is due, who delivers what leaves, and who handles what comes in."""
    from livesupport import notify
    from livesupport.slack import delivery as slack
    from livesupport.slack import inbound as slack_inbound
    from livesupport.slack import listeners as on_slack
    from livesupport.slack import whispers
    from tenants import due, external, mail, plan_letter
    from tenants.workspace import invitations, outbox

    due.bind(
        {
            "turn": "chat.sweep_turns",
            "episodes": "chat.end_idle_episodes",
            "crawl": "knowledge.sweep_crawls",
            "recrawl": "knowledge.reread_sources",
            "leftovers": "knowledge.sweep_leftovers",
            "vectors": "knowledge.renew_vectors",
            "gaps": "insights.check_gaps",
            "waiting": "livesupport.watch_waiting",
            "holders": "livesupport.watch_holders",
            "outbox": "workspace.deliver_outbox",
            "outbox-prune": "workspace.prune_outbox",
            "plan": "workspace.watch_plan",
        }
    )
    outbox.bind(
        {
            mail.KIND: mail.deliver,
            on_slack.THREAD: slack.deliver_thread,
            on_slack.REPLY: slack.deliver_reply,
            on_slack.CARD: slack.deliver_card,
            on_slack.CHANGE: slack.deliver_change,
            whispers.ASIDE: slack.deliver_aside,
        }
    )
    external.bind({slack_inbound.KIND: slack_inbound.handle})
    mail.bind(
        {
            invitations.LETTER: invitations.compose,
            plan_letter.LETTER: plan_letter.compose,
            notify.LETTER: notify.compose,
        }
    )


def _bind_answers() -> None:
    """Who answers what an app asks to its right."""
    from chat import ports as chat_ports
    from chat import quota
    from knowledge import policies as knowledge_policies
    from livesupport import availability
    from tenants import ports as tenants_ports

    chat_ports.bind(availability.promise)
    tenants_ports.bind(  # no `checkout` yet: the plan page says so, and to whom to write
        counters={"conversations": quota.conversations_since, "pages": knowledge_policies.count_pages}
    )
