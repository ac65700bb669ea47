"""HRNet and OCR of the authors, by the names of their state dictionaries.

Facts: `lib/models/seg_hrnet.py` and `lib/models/seg_hrnet_ocr.py` of
HRNet/HRNet-Semantic-Segmentation.
"""

import pytest

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

# Width, units of stage 1, their narrow channels, exchanges, units of a branch.
FORMS = {
    "hrnet_w18_small_v1": (16, 1, 32, (1, 1, 1), 2),
    "hrnet_w18_small_v2": (18, 2, 64, (1, 3, 2), 2),
    "hrnet_w18": (18, 4, 64, (1, 4, 3), 4),
    "hrnet_w48": (48, 4, 64, (1, 4, 3), 4),
}


def enlarge(x, like):
    size = like.shape[-2:]
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=True)


def conv_bn(inside, outside, side=3, stride=1, bias=False, relu=True):
    layers = [
        nn.Conv2d(inside, outside, side, stride, side // 2, bias=bias),
        nn.BatchNorm2d(outside),
    ]
    return nn.Sequential(*layers, *([nn.ReLU()] if relu else []))


class Unit(nn.Module):
    """A basic block, or with `narrow` channels a bottleneck."""

    def __init__(self, inside, outside, narrow=None):
        super().__init__()
        sides = (1, 3, 1) if narrow else (3, 3)
        channels = [inside, *([narrow] * 2 if narrow else [outside]), outside]
        self.count = len(sides)
        for i, side in enumerate(sides):
            conv, bn = conv_bn(channels[i], channels[i + 1], side, relu=False)
            self.add_module(f"conv{i + 1}", conv)
            self.add_module(f"bn{i + 1}", bn)
        if inside != outside:
            self.downsample = conv_bn(inside, outside, 1, relu=False)

    def forward(self, x):
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        for i in range(1, self.count + 1):
            x = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x))
            x = x + shortcut if i == self.count else x
            x = functional.relu(x)
        return x


class Exchange(nn.Module):
    def __init__(self, channels, units):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*[Unit(c, c) for _ in range(units)]) for c in channels
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self.step(channels, i, j) for j in range(len(channels)))
            for i in range(len(channels))
        )

    @staticmethod
    def step(channels, to, source):
        if to == source:
            return None
        inside, outside = channels[source], channels[to]
        if source > to:
            return conv_bn(inside, outside, 1, relu=False)
        steps = [conv_bn(inside, inside, 3, 2) for _ in range(to - source - 1)]
        return nn.Sequential(*steps, conv_bn(inside, outside, 3, 2, relu=False))

    def forward(self, maps):
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused = []
        for i, row in enumerate(self.fuse_layers):
            total = 0
            for j, step in enumerate(row):
                x = maps[j] if step is None else step(maps[j])
                total = total + (enlarge(x, maps[i]) if j > i else x)
            fused.append(functional.relu(total))
        return fused


class Trunk(nn.Module):
    def __init__(self, form):
        super().__init__()
        width, units, narrow, exchanges, branch_units = FORMS[form]
        self.conv1, self.bn1, _ = conv_bn(3, 64, 3, 2)
        self.conv2, self.bn2, _ = conv_bn(64, 64, 3, 2)
        wide = 4 * narrow
        self.layer1 = nn.Sequential(
            *[Unit(wide if i else 64, wide, narrow) for i in range(units)]
        )
        channels = [width * 2**i for i in range(4)]
        first = [conv_bn(wide, width), nn.Sequential(conv_bn(wide, 2 * width, 3, 2))]
        self.transition1 = nn.ModuleList(first)
        for stage in (2, 3, 4):
            here = channels[:stage]
            modules = [
                Exchange(here, branch_units) for _ in range(exchanges[stage - 2])
            ]
            self.add_module(f"stage{stage}", nn.Sequential(*modules))
            if stage < 4:
                new = nn.Sequential(conv_bn(here[-1], 2 * here[-1], 3, 2))
                rest = [None] * stage
                self.add_module(f"transition{stage}", nn.ModuleList([*rest, new]))
        self.channels = sum(channels)

    def representation(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.relu(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        maps = self.stage2([step(x) for step in self.transition1])
        maps = self.stage3([*maps, self.transition2[2](maps[-1])])
        maps = self.stage4([*maps, self.transition3[3](maps[-1])])
        return torch.cat([maps[0], *[enlarge(x, maps[0]) for x in maps[1:]]], 1)


def head(channels, num_classes):
    mix = conv_bn(channels, channels, 1, bias=True)
    return nn.Sequential(*mix, nn.Conv2d(channels, num_classes, 1))


class HRNet(Trunk):
    def __init__(self, form, num_classes):
        super().__init__(form)
        self.last_layer = head(self.channels, num_classes)

    def forward(self, x):
        return self.last_layer(self.representation(x))


def bn_relu_row(inside, outside):
    """A 1x1, and its batch norm and ReLU as a row within the row."""
    conv, *rest = conv_bn(inside, outside, 1)
    return conv, nn.Sequential(*rest)


class ObjectContext(nn.Module):
    def __init__(self, channels, narrow):
        super().__init__()
        twice = [bn_relu_row(channels, narrow), bn_relu_row(narrow, narrow)]
        self.f_pixel = nn.Sequential(*twice[0], *twice[1])
        twice = [bn_relu_row(channels, narrow), bn_relu_row(narrow, narrow)]
        self.f_object = nn.Sequential(*twice[0], *twice[1])
        self.f_down = nn.Sequential(*bn_relu_row(channels, narrow))
        self.f_up = nn.Sequential(*bn_relu_row(narrow, channels))

    def forward(self, x, regions):
        query = self.f_pixel(x)
        size, channels = query.shape[2:], query.shape[1]
        key, value = self.f_object(regions), self.f_down(regions)
        query, key, value = (y.flatten(2) for y in (query, key, value))
        relation = query.transpose(1, 2) @ key * channels**-0.5
        context = relation.softmax(-1) @ value.transpose(1, 2)
        return self.f_up(context.transpose(1, 2).unflatten(2, size))


class Distribution(nn.Module):
    def __init__(self, channels, narrow):
        super().__init__()
        self.object_context_block = ObjectContext(channels, narrow)
        self.conv_bn_dropout = nn.Sequential(*bn_relu_row(2 * channels, channels))

    def forward(self, x, regions):
        context = self.object_context_block(x, regions)
        return self.conv_bn_dropout(torch.cat([context, x], 1))


class OCRNet(Trunk):
    def __init__(self, form, num_classes, channels=512, narrow=256):
        super().__init__(form)
        self.conv3x3_ocr = conv_bn(self.channels, channels, bias=True)
        self.ocr_distri_head = Distribution(channels, narrow)
        self.cls_head = nn.Conv2d(channels, num_classes, 1)
        self.aux_head = head(self.channels, num_classes)

    def forward(self, x):
        x = self.representation(x)
        shares = self.aux_head(x).flatten(2).softmax(-1)
        x = self.conv3x3_ocr(x)
        regions = (shares @ x.flatten(2).transpose(1, 2)).transpose(1, 2)
        return self.cls_head(self.ocr_distri_head(x, regions.unsqueeze(3)))
