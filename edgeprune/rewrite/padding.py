"""Arithmetic of paddings along one axis of a map.

``lead`` zeros stand before the first row and ``trail`` zeros after the last one; a window of
``kernel`` rows starts at every ``stride``-th row. All sizes are in rows. A negative padding is a
crop.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """How a convolution or pooling walks along one axis.

    Attributes:
        size: Rows of the map.
        kernel: Rows of a window, dilation included.
        stride: Rows between the starts of two windows.
        lead: Zeros before the map.
        trail: Zeros after it.
    """

    size: int
    kernel: int
    stride: int
    lead: int
    trail: int

    @property
    def count(self) -> int:
        """Windows, which is the size of the output."""
        return (self.size + self.lead + self.trail - self.kernel) // self.stride + 1

    @property
    def unread(self) -> int:
        """Rows at the end of the padded map that no window reaches."""
        return (self.size + self.lead + self.trail - self.kernel) % self.stride

    def turned(self) -> Window:
        """The window that computes the same on the reversed map, its output reversed.

        Window i reads padded rows [i stride, i stride + kernel). Read backwards, the last window
        comes first, and what it left unread lies before it; so that much is taken off the padding
        that now leads.
        """
        return Window(self.size, self.kernel, self.stride, self.trail - self.unread, self.lead)

    def grown(self) -> Window:
        """The window with the trailing padding that XNNPACK's sparse kernels want, if it is equal.

        They want ``kernel // 2`` on both sides. More zeros behind the last row change nothing as
        long as no window starts later for it.
        """
        wanted = Window(self.size, self.kernel, self.stride, self.lead, self.kernel // 2)
        is_equal = wanted.trail >= self.trail - self.unread and wanted.count == self.count
        return wanted if is_equal and self.lead == wanted.trail else self

    @property
    def is_eligible(self) -> bool:
        """Whether the padding is what XNNPACK's sparse kernels want."""
        return self.lead == self.trail == self.kernel // 2

    @property
    def is_same(self) -> bool:
        """Whether TFLite's SAME pads like this."""
        return (self.lead, self.trail) == same(self.size, self.kernel, self.stride)


def same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Leading and trailing zeros of TFLite's SAME.

    Source: LiteRT ``tflite/kernels/padding.h``, ComputePaddingWithOffset.
    """
    count = -(-size // stride)
    total = max((count - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
