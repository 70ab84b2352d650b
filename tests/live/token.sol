pragma solidity 0.4.25;

// A token with the calls, events and habits of the contract behind USDT, for test networks: worth nothing, made anew
// by each run. token.json beside this file is what solc 0.4.25 with its optimiser makes of it.
contract TestToken {
    string public name = "Counterfoil test token";
    string public symbol = "TEST";
    uint public decimals = 6;
    uint public totalSupply;
    address public owner;
    bool public paused;
    bool public deprecated;
    address public upgradedAddress;
    uint public basisPointsRate;
    uint public maximumFee;
    mapping(address => uint) balances;
    mapping(address => mapping(address => uint)) allowances;
    mapping(address => bool) public isBlackListed;

    event Transfer(address indexed from, address indexed to, uint value);
    event Approval(address indexed owner, address indexed spender, uint value);
    event AddedBlackList(address indexed _user);
    event RemovedBlackList(address indexed _user);
    event DestroyedBlackFunds(address indexed _blackListedUser, uint _balance);
    event Issue(uint amount);
    event Redeem(uint amount);
    event Deprecate(address newAddress);
    event Params(uint feeBasisPoints, uint maxFee);
    event Pause();
    event Unpause();

    modifier onlyOwner() {
        require(msg.sender == owner);
        _;
    }

    modifier whenNotPaused() {
        require(!paused);
        _;
    }

    constructor(uint supply) public {
        owner = msg.sender;
        totalSupply = supply;
        balances[msg.sender] = supply;
        emit Transfer(0, msg.sender, supply);
    }

    function balanceOf(address who) public view returns (uint) {
        return balances[who];
    }

    function allowance(address holder, address spender) public view returns (uint) {
        return allowances[holder][spender];
    }

    function getBlackListStatus(address who) public view returns (bool) {
        return isBlackListed[who];
    }

    // Returns false although it succeeds, as USDT's does on Tron.
    function transfer(address to, uint value) public whenNotPaused returns (bool) {
        require(!isBlackListed[msg.sender]);
        move(msg.sender, to, value);
    }

    function transferFrom(address from, address to, uint value) public whenNotPaused returns (bool) {
        require(!isBlackListed[from]);
        uint allowed = allowances[from][msg.sender];
        require(value <= allowed);
        if (allowed < uint(-1)) {
            allowances[from][msg.sender] = allowed - value;
        }
        move(from, to, value);
        return true;
    }

    function approve(address spender, uint value) public whenNotPaused returns (bool) {
        return allow(spender, value);
    }

    function increaseApproval(address spender, uint more) public whenNotPaused returns (bool) {
        uint value = allowances[msg.sender][spender] + more;
        require(value >= more);
        return allow(spender, value);
    }

    function decreaseApproval(address spender, uint less) public whenNotPaused returns (bool) {
        uint value = allowances[msg.sender][spender];
        return allow(spender, less < value ? value - less : 0);
    }

    function pause() public onlyOwner {
        paused = true;
        emit Pause();
    }

    function unpause() public onlyOwner {
        paused = false;
        emit Unpause();
    }

    function setParams(uint rate, uint most) public onlyOwner {
        require(rate < 20 && most < 50);
        basisPointsRate = rate;
        maximumFee = most * 10 ** decimals;
        emit Params(rate, maximumFee);
    }

    function addBlackList(address who) public onlyOwner {
        isBlackListed[who] = true;
        emit AddedBlackList(who);
    }

    function removeBlackList(address who) public onlyOwner {
        isBlackListed[who] = false;
        emit RemovedBlackList(who);
    }

    // Takes the coins away without a Transfer.
    function destroyBlackFunds(address who) public onlyOwner {
        require(isBlackListed[who]);
        uint funds = balances[who];
        balances[who] = 0;
        totalSupply -= funds;
        emit DestroyedBlackFunds(who, funds);
    }

    function issue(uint amount) public onlyOwner {
        require(totalSupply + amount >= totalSupply);
        balances[owner] += amount;
        totalSupply += amount;
        emit Issue(amount);
        emit Transfer(0, owner, amount);
    }

    function redeem(uint amount) public onlyOwner {
        require(balances[owner] >= amount);
        balances[owner] -= amount;
        totalSupply -= amount;
        emit Redeem(amount);
        emit Transfer(owner, 0, amount);
    }

    function deprecate(address successor) public onlyOwner {
        deprecated = true;
        upgradedAddress = successor;
        emit Deprecate(successor);
    }

    function transferOwnership(address successor) public onlyOwner {
        if (successor != 0) {
            owner = successor;
        }
    }

    function allow(address spender, uint value) private returns (bool) {
        allowances[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function move(address from, address to, uint value) private {
        require(to != 0 && value <= balances[from]);
        uint fee = value * basisPointsRate / 10000;
        if (fee > maximumFee) {
            fee = maximumFee;
        }
        balances[from] -= value;
        balances[to] += value - fee;
        emit Transfer(from, to, value - fee);
        if (fee > 0) {
            balances[owner] += fee;
            emit Transfer(from, owner, fee);
        }
    }
}
