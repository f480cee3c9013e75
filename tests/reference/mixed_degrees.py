"""The cheapest composition of mixed degrees, found by trying all of them."""

from linalg_ml.matrix_functions.composition import PRODUCTS
from linalg_ml.matrix_functions.schedules import minimax_schedule


def fewest_products(lower, rtol, degrees, limit, safety=0.0, cushion=0.0):
    """Return the least number of products, up to the limit, that reaches rtol on [lower, 1]."""
    for products in range(2, limit + 1):
        for sequence in sequences(products, degrees):
            made = minimax_schedule(lower, degree=sequence, safety=safety, cushion=cushion)
            if made.error <= rtol:
                return products
    return None


def sequences(products, degrees):
    """Yield every sequence of degrees that costs this many products."""
    if products == 0:
        yield ()
    for degree in degrees:
        if PRODUCTS[degree] <= products:
            for rest in sequences(products - PRODUCTS[degree], degrees):
                yield (degree, *rest)
