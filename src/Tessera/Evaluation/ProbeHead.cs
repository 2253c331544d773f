using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using AdamW = Tessera.Training.AdamW;

namespace Tessera.Evaluation;

/// <summary>What is trained on a frozen encoder to name classes, with its optimiser.</summary>
internal abstract class ProbeHead : Module<Tensor, Tensor>
{
    private const double NormEpsilon = 1e-6; // MAE's probe has it

    private readonly Tensor means, variances; // (D), fp64: sums over all batches
    private int batches;

    /// <param name="name">What it is.</param>
    /// <param name="width">D, of what it is given.</param>
    /// <param name="rate">The peak of its learning rate, for batches of 256.</param>
    /// <param name="device">Where it is trained.</param>
    protected ProbeHead(string name, int width, double rate, Device device) : base(name)
    {
        Rate = rate;
        means = zeros(width, ScalarType.Float64, device).DetachFromDisposeScope();
        variances = zeros_like(means).DetachFromDisposeScope();
    }

    /// <summary>The peak of its learning rate, for batches of 256.</summary>
    public double Rate { get; }

    /// <summary>One step on the gradients, which are then let go.</summary>
    public abstract void Step(double rate);

    /// <summary>A batch norm without scale: in training by the batch; measured, by the average of all batches.</summary>
    /// <remarks>
    /// Papers' averages begin at 0 and 1 and forget by a tenth a batch, so that after few batches they are neither. What a frozen encoder says does not drift: all batches count alike.
    /// </remarks>
    /// <param name="rows">(n, D), through which no gradient goes</param>
    /// <returns>(n, D)</returns>
    protected Tensor Standardized(Tensor rows)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Tensor mean, variance;
        if (training)
        {
            (mean, variance) = (rows.mean([0L]), rows.var(0, unbiased: false));
            means.PlusInPlace(mean);
            variances.PlusInPlace(variance.Times(rows.shape[0] / (rows.shape[0] - 1.0)));
            batches++;
        }
        else (mean, variance) = (means.Times(1.0 / batches).to(rows.dtype), variances.Times(1.0 / batches).to(rows.dtype));
        return (rows - mean).mul(variance.Plus(NormEpsilon).rsqrt()).MoveToOuterDisposeScope();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            means.Dispose();
            variances.Dispose();
        }
        base.Dispose(disposing);
    }
}

/// <summary>A linear layer on vectors that are standardised by the batch: MAE's linear probe.</summary>
/// <remarks>He et al. 2022 (arXiv:2111.06377), section A.1: batch norm without scale, LARS, no decay.</remarks>
internal sealed class LinearHead : ProbeHead
{
    private const double WeightDeviation = 0.01;

    private readonly Linear head;
    private readonly Lars optimizer;

    /// <param name="width">D.</param>
    /// <param name="classes">K.</param>
    /// <param name="rate">The peak of its rate.</param>
    /// <param name="seed">Draws its weights.</param>
    /// <param name="device">Where it is trained.</param>
    public LinearHead(int width, int classes, double rate, ulong seed, Device device) : base(nameof(LinearHead), width, rate, device)
    {
        head = Linear(width, classes);
        RegisterComponents();
        var values = new float[classes * width];
        new CounterRandom(seed, RandomPurpose.Weights, 0, 0).FillNormal(values, WeightDeviation);
        using (no_grad())
        {
            using var drawn = tensor(values, [classes, width]);
            head.weight.copy_(drawn);
            head.bias!.zero_();
        }
        this.to(device);
        optimizer = new Lars([.. parameters()]);
    }

    /// <param name="features">(B, D)</param>
    /// <returns>(B, K)</returns>
    public override Tensor forward(Tensor features)
    {
        using var scope = NewDisposeScope();
        return head.call(Standardized(features)).MoveToOuterDisposeScope();
    }

    public override void Step(double rate) => optimizer.Step(rate);

    protected override void Dispose(bool disposing)
    {
        if (disposing) optimizer.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>One query that looks at all patch tokens, several heads wide, and a linear layer on what it gathers.</summary>
/// <remarks>
/// The attentive probe of AIM (El-Nouby et al. 2024, arXiv:2401.08541, section 3.3): batch norm without scale, cross-attention, no MLP. With a single query no token needs a key or a value of its own:
/// q · (K x) is x · (Kᵀ q), so a head's query is learned where tokens live; and the weighted mean of values is the value of the weighted mean, as weights sum to 1.
/// </remarks>
internal sealed class AttentiveHead : ProbeHead
{
    private readonly int width, heads;
    private readonly Parameter query; // (H, D)
    private readonly Parameter value; // (D, D): D / H rows a head
    private readonly Linear head;
    private readonly AdamW optimizer;

    /// <param name="width">D, of a token.</param>
    /// <param name="heads">H, which divides it.</param>
    /// <param name="classes">K.</param>
    /// <param name="rate">The peak of its rate.</param>
    /// <param name="seed">Draws its weights.</param>
    /// <param name="device">Where it is trained.</param>
    public AttentiveHead(int width, int heads, int classes, double rate, ulong seed, Device device) : base(nameof(AttentiveHead), width, rate, device)
    {
        (this.width, this.heads) = (width, heads);
        query = new Parameter(empty(heads, width));
        value = new Parameter(empty(width, width));
        head = Linear(width, classes);
        RegisterComponents();
        WeightInitialization.Draw(this, seed);
        this.to(device);
        optimizer = new AdamW(this, new AdamWOptions { Beta2 = 0.999 }); // torch's: no mask makes these gradients noisy
    }

    /// <param name="features">(B, N·D): all tokens of a picture</param>
    /// <returns>(B, K)</returns>
    public override Tensor forward(Tensor features)
    {
        using var scope = NewDisposeScope();
        var batch = features.shape[0];
        var tokens = Standardized(features.view(-1, width)).view(batch, -1, width);                             // (B, N, D)
        var looks = tokens.matmul(query.t()).Times(1 / Math.Sqrt(width)).softmax(1);                         // (B, N, H)
        var gathered = looks.transpose(1, 2).matmul(tokens);                                                 // (B, H, D)
        var values = gathered.unsqueeze(2).matmul(value.view(heads, width / heads, width).transpose(1, 2));  // (B, H, 1, D / H)
        return head.call(values.reshape(batch, width)).MoveToOuterDisposeScope();
    }

    public override void Step(double rate) => optimizer.Step(rate);

    protected override void Dispose(bool disposing)
    {
        if (disposing) optimizer.Dispose();
        base.Dispose(disposing);
    }
}
