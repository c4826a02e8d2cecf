SRC += node/check.c node/clock.c node/conf.c node/devices.c node/encryption.c node/sync.c node/expirer.c node/filling.c node/handle.c node/gossip.c node/handoff.c node/handoff_db.c node/jobs.c node/key_manager.c node/lifecycle.c node/local.c \
	node/main.c node/members.c node/notifier.c node/pace.c node/peers.c node/peers_tell.c node/policies.c node/progress.c node/reaper.c node/recon.c node/reconcile.c node/repair.c \
	node/replicate.c node/replicate_compare.c node/replicate_filling.c node/replicate_metrics.c node/replicate_need.c \
	node/replicate_push.c node/rings.c node/secrets.c node/sender.c node/sender_job.c node/split.c node/start.c node/swift.c node/wire.c
UNIT += tests/unit/node/test_clock.c tests/unit/node/test_gossip.c tests/unit/node/test_local.c tests/unit/node/test_pace.c tests/unit/node/test_progress.c tests/unit/node/test_reconcile.c tests/unit/node/test_replicate.c \
	tests/unit/node/test_wire.c
