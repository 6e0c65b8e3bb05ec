"""Amounts as whole minor units of their currency: exact, and rounded where the caller says."""

from __future__ import annotations

from decimal import Decimal

# ISO 4217, list one: currencies whose minor unit is no hundredth
_OTHERWISE = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
MINOR_UNITS = {currency: decimals for decimals, currencies in _OTHERWISE.items() for currency in currencies.split()}
DEFAULT_MINOR_UNITS = 2
# more than numeric(10, 2) holds; the total of a million of them fits the 28 digits of a decimal
LARGEST_PRICE = Decimal(10**12)
# of one, in a percentage with two decimals
HUNDREDTHS = 100 * 100


def minor_units(currency: str) -> int:
    """Decimals of the currency's amounts (ISO 4217); two for a code that is not known."""
    return MINOR_UNITS.get(currency.upper(), DEFAULT_MINOR_UNITS)


def in_minor_units(amount: Decimal, decimals: int) -> int:
    """The amount, at least 0, in whole minor units; a half is rounded up."""
    numerator, denominator = amount.as_integer_ratio()
    factor: int = 10**decimals
    return divided(numerator * factor, denominator)


def scaled(value: Decimal, decimals: int) -> int:
    """value * 10**decimals, exactly; ValueError for a negative value or one of more decimals."""
    numerator, denominator = value.as_integer_ratio()
    factor: int = 10**decimals
    whole, rest = divmod(numerator * factor, denominator)
    if rest or value < 0:
        raise ValueError(f"The value {value} cannot be charged; give one of at least 0 with at most {decimals} decimals.")
    return whole


def divided(numerator: int, denominator: int) -> int:
    """numerator / denominator to the nearest whole number, a half up; neither is negative."""
    return (2 * numerator + denominator) // (2 * denominator)


def rounded_up(numerator: int, denominator: int) -> int:
    """The least whole number that is not below numerator / denominator."""
    return -(-numerator // denominator)


def percent(part: int, whole: int) -> Decimal:
    """100 * part / whole to two decimals, a half up; 0 of nothing."""
    return Decimal(divided(part * HUNDREDTHS, whole) if whole else 0).scaleb(-2)


def require_amount(name: str, amount: Decimal) -> None:
    """ValueError, which calls the amount `name`, unless it is finite and in 0..LARGEST_PRICE."""
    if not amount.is_finite() or not 0 <= amount <= LARGEST_PRICE:
        raise ValueError(f"The {name} {amount:.12g} is no amount; give one from 0 to {LARGEST_PRICE:.0e}.")
