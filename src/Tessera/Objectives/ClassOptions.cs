using Tessera.Models;

namespace Tessera.Objectives;

/// <summary>How an encoder is taught to name pictures, and what keeps it from learning them by heart.</summary>
public sealed record ClassOptions
{
    private const double Most = 1e6; // an alpha this large mixes all pictures by halves

    /// <summary>What stands for a picture. The mean: as good as a class token, and every encoder has it.</summary>
    public ClassPooling Pooling { get; init; }

    /// <summary>The share of the label that is spread over all classes (Szegedy et al. 2016, arXiv:1512.00567). MAE's.</summary>
    public double LabelSmoothing { get; init; } = 0.1;

    /// <summary>How often the last block's branches are left out of a picture; earlier ones less, in a line from 0. MAE's for its smaller models.</summary>
    public double DropPath { get; init; } = 0.1;

    /// <summary>Mixup's alpha; 0: none. MAE's .8.</summary>
    public double Mixup { get; init; } = 0.8;

    /// <summary>CutMix's alpha; 0: none. With both, each picture draws which. MAE's 1.</summary>
    public double CutMix { get; init; } = 1;

    /// <summary>How much slower each block learns than the one above it; 1: all alike.</summary>
    public double LayerDecay { get; init; } = 0.75;

    /// <summary>How many of the first blocks stay as they are, the patches' projection with them.</summary>
    public int Freeze { get; init; }

    /// <summary>
    /// Whether training begins with the linear layer that is best on the frozen encoder, and not with a random one, whose first gradients spoil what the
    /// encoder knows (Kumar et al. 2022, arXiv:2202.10054). Not from scratch, where there is nothing to spoil.
    /// </summary>
    public bool LayerFirst { get; init; } = true;

    /// <summary>
    /// Whether rare classes count as much as frequent ones: while it is trained, the logits are shifted by the logarithm of each class's share (Menon et al.
    /// 2021, arXiv:2007.07314), which asks more of the rare ones. No picture is seen more often for it.
    /// </summary>
    public bool Balance { get; init; }

    /// <summary>Everything that is wrong with these options; empty when they can be used.</summary>
    /// <param name="encoder">The encoder; null: it is not known.</param>
    public IEnumerable<string> Faults(VisionTransformerOptions? encoder = null)
    {
        if (LabelSmoothing is not (>= 0 and < 1)) yield return $"the label smoothing is {LabelSmoothing}: it must be at least 0 and below 1";
        if (DropPath is not (>= 0 and < 1)) yield return $"the drop path is {DropPath}: it must be at least 0 and below 1";
        if (Mixup is not (>= 0 and <= Most)) yield return $"mixup's alpha is {Mixup}: it must be at least 0 and at most {Most:f0}";
        if (CutMix is not (>= 0 and <= Most)) yield return $"CutMix's alpha is {CutMix}: it must be at least 0 and at most {Most:f0}";
        if (LayerDecay is not (> 0 and <= 1)) yield return $"the layer decay is {LayerDecay}: it must be above 0 and at most 1";
        if (Freeze < 0 || Freeze > encoder?.Depth) yield return $"the number of frozen blocks is {Freeze}: it must be at least 0{(encoder is null ? "" : $" and at most the model's {encoder.Depth}")}";
        if (Pooling == ClassPooling.Class && encoder is { ClassToken: false }) yield return "the model has no class token: pool by the mean";
    }
}
