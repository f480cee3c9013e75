"""A sparse matrix on a GPU made ready for sweeps, one colour after the other.

Not run on a GPU yet; tested against stand-ins for CuPy.
"""

from linalg_ml.relaxation.csr_matrix import CsrMatrix


class GpuMatrix(CsrMatrix):
    """A `CsrMatrix` in multicolour ordering whose arrays are CuPy's.

    Attributes
    ----------
    host : CsrMatrix
        The same matrix on the host, where it was coloured.
    """

    home = "cupy"
    check_every = 20

    def __init__(self, a):
        self._load(CsrMatrix(a, "multicolor"))

    def _load(self, host):
        import cupy

        self.__dict__.update(host.__dict__)
        self.host, self._under = host, {}
        for name in ("indptr", "indices", "data", "diagonal", "inverse", "permutation"):
            setattr(self, name, cupy.asarray(getattr(host, name)))

    def shifted(self, c):
        """Return A + c I."""
        made = self._copy()
        made._load(self.host.shifted(c))
        return made

    def under(self, arithmetic):
        """Return the matrix in the type an Arithmetic computes in; short formats are refused."""
        if arithmetic.name in ("fp16", "bf16"):
            raise ValueError(
                f"precision {arithmetic.name!r} is not available for sparse matrices on a GPU; "
                "use 'fp32'"
            )
        if self.dtype == arithmetic.dtype:
            return self
        if arithmetic.dtype not in self._under:
            made = self._copy()
            made.dtype, made._under = arithmetic.dtype, {}
            for name in ("data", "diagonal", "inverse"):
                setattr(made, name, arithmetic.enter(getattr(self, name)))
            self._under[arithmetic.dtype] = made
        return self._under[arithmetic.dtype]
