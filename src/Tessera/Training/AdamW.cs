using Tessera.Models;
using Tessera.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>AdamW over all parameters at once, in libtorch's fused kernels.</summary>
/// <remarks>
/// Loshchilov and Hutter 2019 (arXiv:1711.05101), algorithm 2. TorchSharp's own AdamW makes about nine native calls a parameter;
/// this makes a few a step, in each share one for the parameters of each rule (those that decay, and biases, norms, tokens, positions).
/// Its state is public, so that a checkpoint can hold it. Where the model computes in bf16, its parameters are copies of fp32 weights that
/// are kept here: a step smaller than bf16 can tell is still made (Micikevicius et al. 2018, arXiv:1710.03740).
/// </remarks>
public sealed class AdamW : IDisposable
{
    private readonly AdamWOptions options;
    private readonly Parameter[] all;
    private readonly string[] names;
    private readonly List<Group> groups = [];
    private readonly List<(string Name, Tensor Weight, Parameter Parameter)> still = []; // what stays as it is: the weight, and the parameter that is a copy of it or the same

    /// <summary>Prepares the optimiser; its means start at zero.</summary>
    /// <param name="model">Its parameters, where they are now, are what is trained. In bf16 they are copies of the weights.</param>
    /// <param name="options">The constants.</param>
    /// <param name="weights">By name, in fp32, what a bf16 model's parameters are copies of; null: the parameters as they are.</param>
    /// <param name="rules">How each parameter is trained, by name; null: <see cref="ParameterRule.Of"/>.</param>
    /// <param name="shares">Into how many parts of about equal size the parameters fall, each of which may be stepped on a thread of its own.</param>
    public AdamW(nn.Module model, AdamWOptions options, IReadOnlyDictionary<string, Tensor>? weights = null, int shares = 1,
        Func<string, Tensor, ParameterRule>? rules = null)
    {
        this.options = options;
        var ruled = model.named_parameters().Select(p => (p.name, p.parameter, rule: (rules ?? ParameterRule.Of)(p.name, p.parameter))).ToList();
        var named = ruled.FindAll(p => p.rule.Trains);
        if (named.Count == 0) throw new ArgumentException("No parameter is trained.", nameof(rules));
        foreach (var (name, parameter, _) in ruled.Where(p => !p.rule.Trains))
        {
            parameter.requires_grad = false;
            still.Add((name, weights is null ? parameter : weights[name].detach().clone().DetachFromDisposeScope(), parameter));
        }
        all = [.. named.Select(p => p.parameter)];
        names = [.. named.Select(p => p.name)];
        Shares = shares;
        var share = Share(shares);
        foreach (var group in Enumerable.Range(0, all.Length).GroupBy(i => (Share: share[i], Rule: named[i].rule)))
            groups.Add(new Group(this, group.Key.Share, [.. group], weights, group.Key.Rule));
    }

    /// <summary>The optimiser's tensors by name: <c>mean.NAME</c> and <c>square.NAME</c>, in the parameter's shape.</summary>
    public IEnumerable<(string Name, Tensor Value)> State => groups.SelectMany(g => g.State).OrderBy(s => s.Name, StringComparer.Ordinal);

    /// <summary>The model by name, in fp32: its parameters, or what they are copies of; those that stay as they are among them.</summary>
    public IEnumerable<(string Name, Tensor Value)> Weights =>
        groups.SelectMany(g => g.Named).Concat(still.Select(s => (s.Name, s.Weight))).OrderBy(w => w.Name, StringComparer.Ordinal);

    /// <summary>Steps made so far; set when a run is resumed.</summary>
    public long Steps
    {
        get => groups[0].Steps;
        set => groups.ForEach(g => g.Steps = value);
    }

    /// <summary>The parameters that are trained, in the order in which gradients are handed in.</summary>
    internal IReadOnlyList<Parameter> Parameters => all;

    /// <summary>Their names.</summary>
    internal IReadOnlyList<string> Names => names;

    /// <summary>Into how many parts the parameters fall.</summary>
    internal int Shares { get; }

    /// <summary>Brings a bf16 model's parameters up to date with <see cref="Weights"/> that were changed from outside.</summary>
    public void CopyToModel()
    {
        using var quiet = no_grad();
        groups.ForEach(g => g.CopyToModel());
        foreach (var (_, weight, parameter) in still) parameter.copy_(weight);
    }

    /// <summary>One step on the parameters' own gradients, which are then let go.</summary>
    public void Step(double learningRate)
    {
        var gradients = all.Select((p, i) => p.grad
            ?? throw new InvalidOperationException($"The parameter {names[i]} has no gradient: it takes no part in the loss.")).ToArray();
        for (var share = 0; share < Shares; share++) Step(learningRate, gradients, share);
        // Letting go instead of writing zeros spares a pass over memory, and the next backward pass hands its buffers over.
        foreach (var parameter in all) parameter.grad = null;
    }

    /// <summary>One step of a share of the parameters; all shares must make the same number of steps.</summary>
    /// <param name="learningRate">The step's rate.</param>
    /// <param name="gradients">Of all <see cref="Parameters"/>, in fp32.</param>
    /// <param name="share">Which parameters, from 0.</param>
    internal void Step(double learningRate, Tensor[] gradients, int share)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        foreach (var group in groups)
        {
            if (group.Share == share) group.Step(gradients, learningRate, options);
        }
    }

    /// <summary>Frees the optimiser's tensors; the parameters stay.</summary>
    public void Dispose()
    {
        groups.ForEach(g => g.Dispose());
        foreach (var (_, weight, parameter) in still)
        {
            if (weight.Handle != parameter.Handle) weight.Dispose();
        }
    }

    // The largest first, each to the share that has least so far.
    private int[] Share(int shares)
    {
        var (share, sizes) = (new int[all.Length], new long[shares]);
        foreach (var i in Enumerable.Range(0, all.Length).OrderByDescending(i => all[i].numel()))
        {
            share[i] = Array.IndexOf(sizes, sizes.Min());
            sizes[share[i]] += all[i].numel();
        }
        return share;
    }

    /// <summary>Parameters that are stepped in one call.</summary>
    private sealed class Group : IDisposable
    {
        private readonly int[] members; // places among all parameters
        private readonly string[] names;
        private readonly ParameterRule rule;
        private readonly Tensor[] weights, means, squares, counts;
        private readonly Tensor[]? copies;
        private long steps;

        public Group(AdamW optimizer, int share, int[] members, IReadOnlyDictionary<string, Tensor>? fp32, ParameterRule rule)
        {
            (Share, this.members, this.rule) = (share, members, rule);
            names = Of(optimizer.names);
            Tensor[] parameters = Of(optimizer.all);
            weights = fp32 is null ? parameters : [.. names.Select(n => fp32[n].detach().clone().DetachFromDisposeScope())];
            copies = fp32 is null ? null : parameters;
            means = [.. weights.Select(w => zeros_like(w, requires_grad: false).DetachFromDisposeScope())];
            squares = [.. weights.Select(w => zeros_like(w, requires_grad: false).DetachFromDisposeScope())];
            counts = [.. weights.Select(w => zeros(1, device: w.device).squeeze_(0).DetachFromDisposeScope())];
        }

        public int Share { get; }

        public long Steps
        {
            get => steps;
            set
            {
                using var quiet = no_grad();
                foreach (var count in counts) _ = count.FillInPlace(value);
                steps = value;
            }
        }

        public IEnumerable<(string Name, Tensor Value)> State =>
            names.Select((n, i) => ($"mean.{n}", means[i])).Concat(names.Select((n, i) => ($"square.{n}", squares[i])));

        public IEnumerable<(string Name, Tensor Value)> Named => names.Select((n, i) => (n, weights[i]));

        /// <summary>The group's own among something of all parameters.</summary>
        public T[] Of<T>(T[] ofAll) => Array.ConvertAll(members, i => ofAll[i]);

        public void Step(Tensor[] gradients, double rate, AdamWOptions options)
        {
            TensorLists.AdamW(weights, Of(gradients), means, squares, counts,
                rate * rule.RateScale, options.Beta1, options.Beta2, rule.Decays ? options.WeightDecay : 0, options.Epsilon);
            CopyToModel();
            steps++; // the kernel has added it to the counts already
        }

        public void CopyToModel()
        {
            if (copies is not null) TensorLists.Copy(copies, weights);
        }

        public void Dispose()
        {
            foreach (var tensor in means.Concat(squares).Concat(counts).Concat(copies is null ? [] : weights)) tensor.Dispose();
        }
    }
}

/// <summary>AdamW's constants.</summary>
public sealed record AdamWOptions
{
    /// <summary>Decay of the mean of gradients.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the mean of squared gradients. MAE's value; torch's default, .999, forgets too slowly for masked images.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>Added to the root of the second mean.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay of matrices.</summary>
    public double WeightDecay { get; init; } = 0.05;
}
