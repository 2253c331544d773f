using Tessera.Data;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Training;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Objectives;

/// <summary>A classifier's objective: the cross-entropy of its answers and the pictures' labels, which may be smoothed, mixed and balanced.</summary>
/// <remarks>
/// The label of a mixed picture lies on two classes, in the shares in which the pictures do (Zhang et al. 2018, arXiv:1710.09412; Yun et al. 2019,
/// arXiv:1905.04899). Smoothing spreads a share of it evenly over all classes.
/// </remarks>
public sealed class ClassObjective : Objective
{
    private readonly Classifier model;
    private readonly ClassOptions options;
    private readonly ModelDescription description;
    private readonly Lazy<Tensor>? shift; // (K), on the model's device: the logarithms of the classes' shares

    /// <summary>Prepares the objective.</summary>
    /// <param name="model">The model, which is this objective's from now on.</param>
    /// <param name="options">How it is taught.</param>
    /// <param name="shares">The classes' shares of the training pictures, each above 0; used where they are to be balanced.</param>
    /// <param name="augmentation">Varies pictures.</param>
    /// <param name="description">What a file says of the model.</param>
    /// <param name="seed">What is mixed and left out is a function of it.</param>
    public ClassObjective(
        Classifier model, ClassOptions options, IReadOnlyList<double> shares, Augmentation augmentation, ModelDescription description, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(shares);
        if (shares.Count != model.Classes) throw new ArgumentException($"There are {shares.Count} shares of {model.Classes} classes.", nameof(shares));
        (this.model, this.options, this.description) = (model, options, description);
        var shape = model.Encoder.Options;
        Plan = new BatchPlan([new ViewPlan(augmentation, null)], Labels: true,
            options.Mixup > 0 || options.CutMix > 0 ? new MixSampler(options.Mixup, options.CutMix, seed) : null,
            options.DropPath > 0 ? new DropPathSampler(options.DropPath, shape.Depth, seed) : null);
        Cost = new ObjectiveCost(TransformerCost.BytesKept(shape), (int)TransformerCost.Tokens(shape));
        if (options.Balance)
            shift = new(() => tensor(shares.Select(s => (float)Math.Log(s)).ToArray(), device: model.parameters().First().device).DetachFromDisposeScope());
    }

    /// <inheritdoc/>
    public override nn.Module Model => model;

    /// <inheritdoc/>
    public override BatchPlan Plan { get; }

    /// <inheritdoc/>
    public override ObjectiveCost Cost { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<BackwardCut> Cuts => EncoderCuts.Of(model.Encoder);

    /// <inheritdoc/>
    public override ObjectivePart Forward(PreparedBatch part)
    {
        using var scope = NewDisposeScope();
        var logits = model.Logits(model.Pool(model.Encoder.EncodeImages(part.Views[0].Pixels, part.Paths))); // (b, K)
        return new ObjectivePart(Loss(logits, part.Labels!, part.Mix).MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public override ParameterRule RuleOf(string name, Tensor parameter) =>
        LayerDecay.RuleOf(name, parameter, model.Encoder.Options.Depth, options.LayerDecay, options.Freeze);

    /// <inheritdoc/>
    public override ModelDescription Describe() => description;

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (shift is { IsValueCreated: true }) shift.Value.Dispose();
        base.Dispose();
    }

    /// <param name="logits">(b, K)</param>
    /// <param name="labels">(b)</param>
    /// <param name="mix">What was mixed into the pictures; null: nothing.</param>
    /// <returns>A scalar: the mean over pictures.</returns>
    internal Tensor Loss(Tensor logits, Tensor labels, PreparedMix? mix)
    {
        using var scope = NewDisposeScope();
        var likelihood = (shift is null ? logits : logits.Plus(shift.Value)).log_softmax(1);     // (b, K)
        var right = likelihood.gather(1, labels.unsqueeze(1));                                  // (b, 1)
        if (mix is not null)
        {
            var share = mix.Share.unsqueeze(1);
            right = right.mul(share).Plus(likelihood.gather(1, mix.Labels.unsqueeze(1)).mul(share.neg().Plus(1)));
        }
        var loss = right.mean().Times(options.LabelSmoothing - 1);
        if (options.LabelSmoothing > 0) loss = loss.Plus(likelihood.mean().Times(-options.LabelSmoothing));
        return loss.MoveToOuterDisposeScope();
    }
}
