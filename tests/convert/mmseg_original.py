"""Networks of MMSegmentation, by the names of their state dictionaries.

Facts: `mmseg/models/backbones/resnet.py` and `mit.py`, `decode_heads/aspp_head.py`,
`psp_head.py` and `segformer_head.py` of open-mmlab/mmsegmentation; ResNet's stages are
those of torchvision, with which it shares them.
"""

import pytest

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")
nn, functional = torch.nn, torch.nn.functional


def enlarge(x, like, align_corners=False):
    return functional.interpolate(
        x, size=like.shape[2:], mode="bilinear", align_corners=align_corners
    )


class ConvModule(nn.Module):
    def __init__(self, inside, outside, side=1, dilation=1, stride=1):
        super().__init__()
        padding = side // 2 * dilation
        self.conv = nn.Conv2d(
            inside, outside, side, stride, padding, dilation, bias=False
        )
        self.bn = nn.BatchNorm2d(outside)

    def forward(self, x):
        return functional.relu(self.bn(self.conv(x)))


class ResNet(nn.Module):
    """ResNet-50 of output stride 8 or 16; V1c has three 3x3 for the 7x7."""

    def __init__(self, deep_stem, output_stride=8, contract_dilation=True):
        super().__init__()
        theirs = torchvision.models.resnet50(
            weights=None, replace_stride_with_dilation=[False, output_stride == 8, True]
        )
        if not contract_dilation:
            # `ResLayer`: the first unit has half its stage's dilation, if contracted.
            for stage in (theirs.layer3, theirs.layer4):
                dilation = stage[1].conv2.dilation
                stage[0].conv2.dilation = stage[0].conv2.padding = dilation
        if deep_stem:
            stem = []
            for inside, outside, stride in ((3, 32, 2), (32, 32, 1), (32, 64, 1)):
                module = ConvModule(inside, outside, 3, stride=stride)
                stem += [module.conv, module.bn, nn.ReLU()]
            self.stem = nn.Sequential(*stem)
        else:
            self.conv1, self.bn1 = theirs.conv1, theirs.bn1
        for i in range(1, 5):
            self.add_module(f"layer{i}", getattr(theirs, f"layer{i}"))

    def forward(self, x):
        if hasattr(self, "stem"):
            x = self.stem(x)
        else:
            x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.max_pool2d(x, 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))


class ASPPHead(nn.Module):
    """It has 512 channels there; fewer are faster."""

    def __init__(self, num_classes, dilations=(1, 12, 24, 36), channels=64):
        super().__init__()
        self.image_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), ConvModule(2048, channels)
        )
        self.aspp_modules = nn.ModuleList(
            ConvModule(2048, channels, 3 if rate > 1 else 1, rate) for rate in dilations
        )
        self.bottleneck = ConvModule(5 * channels, channels, 3)
        self.conv_seg = nn.Conv2d(channels, num_classes, 1)

    def forward(self, x):
        branches = [branch(x) for branch in self.aspp_modules]
        x = torch.cat([enlarge(self.image_pool(x), x), *branches], 1)
        return self.conv_seg(self.bottleneck(x))


class PSPHead(nn.Module):
    def __init__(self, num_classes, align_corners=False, channels=512):
        super().__init__()
        self.align_corners = align_corners
        self.psp_modules = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(side), ConvModule(2048, channels))
            for side in (1, 2, 3, 6)
        )
        self.bottleneck = ConvModule(2048 + 4 * channels, channels, 3)
        self.conv_seg = nn.Conv2d(channels, num_classes, 1)

    def forward(self, x):
        levels = [
            enlarge(level(x), x, self.align_corners) for level in self.psp_modules
        ]
        return self.conv_seg(self.bottleneck(torch.cat([x, *levels], 1)))


class FCNHead(nn.Module):
    """The auxiliary head, which inference does not run."""

    def __init__(self, num_classes):
        super().__init__()
        self.convs = nn.Sequential(ConvModule(1024, 256, 3))
        self.conv_seg = nn.Conv2d(256, num_classes, 1)


class EncoderDecoder(nn.Module):
    def __init__(self, backbone, decode_head, auxiliary_head=None):
        super().__init__()
        self.backbone, self.decode_head = backbone, decode_head
        if auxiliary_head:
            self.auxiliary_head = auxiliary_head

    def forward(self, x):
        return self.decode_head(self.backbone(x))


def norm(channels):
    return nn.LayerNorm(channels, eps=1e-6)


class Patches(nn.Module):
    def __init__(self, inside, outside, side, stride):
        super().__init__()
        self.projection = nn.Conv2d(inside, outside, side, stride, side // 2)
        self.norm = norm(outside)

    def forward(self, x):
        x = self.projection(x)
        return self.norm(x.flatten(2).transpose(1, 2)), x.shape[2:]


class Attention(nn.Module):
    def __init__(self, channels, heads, reduction):
        super().__init__()
        self.attn = nn.MultiheadAttention(channels, heads, batch_first=True)
        if reduction > 1:
            self.sr = nn.Conv2d(channels, channels, reduction, reduction)
            self.norm = norm(channels)

    def forward(self, x, size):
        keys = x
        if hasattr(self, "sr"):
            keys = self.sr(x.transpose(1, 2).unflatten(2, size))
            keys = self.norm(keys.flatten(2).transpose(1, 2))
        return self.attn(x, keys, keys, need_weights=False)[0]


class MixFFN(nn.Module):
    def __init__(self, channels):
        super().__init__()
        wide = 4 * channels
        self.layers = nn.Sequential(
            nn.Conv2d(channels, wide, 1),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide),
            nn.GELU(),
            nn.Dropout(0.0),
            nn.Conv2d(wide, channels, 1),
            nn.Dropout(0.0),
        )

    def forward(self, x, size):
        x = self.layers(x.transpose(1, 2).unflatten(2, size))
        return x.flatten(2).transpose(1, 2)


class Block(nn.Module):
    def __init__(self, channels, heads, reduction):
        super().__init__()
        self.norm1, self.norm2 = norm(channels), norm(channels)
        self.attn = Attention(channels, heads, reduction)
        self.ffn = MixFFN(channels)

    def forward(self, x, size):
        x = x + self.attn(self.norm1(x), size)
        return x + self.ffn(self.norm2(x), size)


class MixVisionTransformer(nn.Module):
    """MiT-B0."""

    def __init__(self):
        super().__init__()
        stages, inside = [], 3
        for channels, heads, reduction in (
            (32, 1, 8),
            (64, 2, 4),
            (160, 5, 2),
            (256, 8, 1),
        ):
            patches = (7, 4) if inside == 3 else (3, 2)
            blocks = [Block(channels, heads, reduction) for _ in range(2)]
            stage = [Patches(inside, channels, *patches), nn.ModuleList(blocks)]
            stages.append(nn.ModuleList([*stage, norm(channels)]))
            inside = channels
        self.layers = nn.ModuleList(stages)

    def forward(self, x):
        maps = []
        for patches, blocks, last in self.layers:
            x, size = patches(x)
            for block in blocks:
                x = block(x, size)
            x = last(x).transpose(1, 2).unflatten(2, size)
            maps.append(x)
        return maps


class SegformerHead(nn.Module):
    def __init__(self, num_classes, channels=256):
        super().__init__()
        self.convs = nn.ModuleList(
            ConvModule(inside, channels) for inside in (32, 64, 160, 256)
        )
        self.fusion_conv = ConvModule(4 * channels, channels)
        self.conv_seg = nn.Conv2d(channels, num_classes, 1)

    def forward(self, maps):
        pairs = zip(self.convs, maps, strict=True)
        x = torch.cat([enlarge(conv(x), maps[0]) for conv, x in pairs], 1)
        return self.conv_seg(self.fusion_conv(x))
