"""The batch's errors. Each message is one sentence that names the value seen and says what to do."""


class UpsellError(Exception):
    """Base of every refusal or failure that the operator can act on: one sentence on stderr, exit code 1."""


class SettingsError(UpsellError):
    """A setting, a company or a date from outside is missing or cannot be used."""


class ServiceUnavailable(UpsellError):
    """Postgres, Redis or the object store stayed away after every retry."""


class LoadError(UpsellError):
    """A file given to `upsell load` or `upsell analyze --exposures` cannot be read, or lacks what it must hold; of single bad rows,
    the first quarantines them and the second counts them."""


class SnapshotError(UpsellError):
    """Extraction cannot give a complete snapshot, for instance because its counts never agree with the source."""


class CheckFailed(UpsellError):
    """A check that guards the data found rows that contradict each other."""


class PublishRefused(UpsellError):
    """A generation was not made live: a gate failed, its counts differ, or its watermark is older than the live one's."""
