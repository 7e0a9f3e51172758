"""One row of the report."""


def row(figure, value, unit, limit, limit_is, target=None, better="higher", by_value=False):
    """
    target: of the ratio value/limit, or (by_value) of the value itself. limit None: nothing beside it.
    Without a target the figure is only printed.
    """
    ratio = None if not limit else value / limit
    judged = value if by_value else ratio
    ok = target is None or (judged >= target if better == "higher" else judged <= target)
    sign = ">=" if better == "higher" else "<="
    return {"figure": figure, "value": round(value, 3), "unit": unit,
            "limit": None if limit is None else round(limit, 3), "limit_is": limit_is,
            "ratio": None if ratio is None else round(ratio, 3),
            "target": None if target is None else f"{sign} {target}{' ' + unit if by_value else ''}", "ok": ok}
