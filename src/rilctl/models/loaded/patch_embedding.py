"""The first layer of a vision tower that is given a picture in patches: a matrix product, not a convolution.

Qwen-VL's processor cuts pictures up, so each patch is as large as the kernel and the convolution has one output. Torch
computes that several times slower than the product of the same numbers.
"""

from torch import Tensor, nn


class PatchEmbedding(nn.Conv3d):
    """A convolution over patches that are as large as its kernel."""

    def forward(self, patches_TCKHW: Tensor) -> Tensor:
        """The convolution's result; T patches."""
        if patches_TCKHW.shape[2:] != self.kernel_size:
            return super().forward(patches_TCKHW)
        out_TE = nn.functional.linear(patches_TCKHW.flatten(1), self.weight.flatten(1), self.bias)
        return out_TE[..., None, None, None]


def multiply_patches(model: nn.Module) -> None:
    """Let every convolution of the model that can be one be a matrix product; weights and their names stay."""
    for module in model.modules():
        if type(module) is nn.Conv3d and module.stride == module.kernel_size and _is_plain(module):
            module.__class__ = PatchEmbedding


def _is_plain(layer: nn.Conv3d) -> bool:
    return layer.groups == 1 and set(layer.padding) == {0} and set(layer.dilation) == {1}
