"""The map of the product on one screen: which event reaches which listener, which work wakes which task,
and who answers the questions that an app asks to its right."""

from __future__ import annotations


def bind() -> None:
    """Fill every table. Runs once in each process, when the apps are ready."""
    from chat import events as chat
    from chat import listeners as on_chat
    from chat import ports as chat_ports
    from insights import listeners as on_insights
    from knowledge import events as knowledge
    from knowledge import listeners as on_knowledge
    from livesupport import availability
    from livesupport import listeners as on_live
    from tenants import due, events

    events.bind(
        within={  # in the same transaction: they only insert rows
            chat.AnswerGiven: [on_insights.note_gap],
            chat.SeatSeen: [on_live.on_seat_seen],
            chat.ContactLeft: [on_live.on_contact_left],
            chat.HandoffRequested: [on_live.on_handoff_requested],
        },
        after={  # once committed: nudges; losing one loses nothing
            chat.MessagePosted: [on_chat.nudge_sockets],
            chat.TurnQueued: [on_chat.enqueue_turn],
            knowledge.CrawlQueued: [on_knowledge.enqueue_crawl],
        },
    )
    due.bind(
        {
            "turn": "chat.sweep_turns",
            "episodes": "chat.end_idle_episodes",
            "crawl": "knowledge.sweep_crawls",
            "waiting": "livesupport.watch_waiting",
            "outbox": "workspace.deliver_outbox",
        }
    )
    chat_ports.bind(availability.promise)
