"""Entry by entry formulas on lists of PyTorch tensors, in few calls and in place where it may be.

Lists hold tensors of one dtype on one device. ``owned`` says that the tensors of the first list
may be overwritten; they are returned then.
"""

import torch


def foreach_lerp(a, b, weight, owned):
    """Return a + weight (b - a)."""
    if owned:
        torch._foreach_lerp_(a, b, weight)
        return a
    return list(torch._foreach_lerp(a, b, weight))


def foreach_lerp_square(a, b, weight, owned):
    """Return a + weight (b^2 - a)."""
    if owned:
        torch._foreach_mul_(a, 1 - weight)
    else:
        a = list(torch._foreach_mul(a, 1 - weight))
    torch._foreach_addcmul_(a, b, b, value=weight)
    return a


def foreach_lerp_variance(a, mean, b, weight, owned):
    """Return (1 - weight) (a + weight (b - mean)^2)."""
    away = torch._foreach_sub(b, mean)
    if owned:
        torch._foreach_addcmul_(a, away, away, value=weight)
    else:
        a = list(torch._foreach_addcmul(a, away, away, value=weight))
    torch._foreach_mul_(a, 1 - weight)
    return a


def foreach_add_square(a, b):
    """Return a + b^2."""
    return list(torch._foreach_addcmul(a, b, b))


def foreach_sign(a, owned):
    """Return the signs."""
    if owned:
        torch._foreach_sign_(a)
        return a
    return list(torch._foreach_sign(a))


def foreach_root(a, eps, owned):
    """Return sqrt(a) + eps."""
    if owned:
        torch._foreach_sqrt_(a)
    else:
        a = list(torch._foreach_sqrt(a))
    torch._foreach_add_(a, eps)
    return a


def foreach_add_ratio(a, alpha, above, below, beta):
    """Turn a into alpha a + beta above / below, in place."""
    if alpha != 1:
        torch._foreach_mul_(a, alpha)
    torch._foreach_addcdiv_(a, above, below, value=beta)


def foreach_combine(a, alpha, b, beta, owned):
    """Return alpha a + beta b."""
    if alpha != 1:
        if owned:
            torch._foreach_mul_(a, alpha)
        else:
            a, owned = list(torch._foreach_mul(a, alpha)), True
    if beta != 0:
        if owned:
            torch._foreach_add_(a, b, alpha=beta)
        else:
            a = list(torch._foreach_add(a, b, alpha=beta))
    return a


def foreach_add(a, b):
    """Add b, tensors or one number, to a in place."""
    torch._foreach_add_(a, b)


def foreach_finite(a):
    """Return for each tensor whether all its entries are finite, read on the host."""
    norms = torch._foreach_norm(a)
    if torch.isfinite(torch.stack(norms)).all():
        return [True] * len(a)
    return [bool(torch.isfinite(x).all()) for x in a]  # a norm of finite numbers may overflow
